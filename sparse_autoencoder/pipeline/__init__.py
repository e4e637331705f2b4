"""Computes runs: loads models, encodes a chunk, does a whole run in one process. Nothing here knows the services."""
