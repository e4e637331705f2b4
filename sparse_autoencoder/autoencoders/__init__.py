"""Published autoencoders: downloaded, loaded without running code from the file, and computed sparsely.

Nothing here knows tokens or language models.
"""
