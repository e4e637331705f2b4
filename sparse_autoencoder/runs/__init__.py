"""A run's options, metadata, state and store, and every file that it writes.

Nothing here knows HTTP or how activations are computed, and nothing imports torch.
"""
