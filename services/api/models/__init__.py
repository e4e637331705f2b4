"""Asking runs' models, which are in another process: this one imports no torch."""
