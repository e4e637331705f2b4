"""Reads runs, finished or not: listed, ranked, searched, compared.

Nothing here knows HTTP or writes to the store, and nothing imports torch.
"""
