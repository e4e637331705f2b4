"""Sparse activations -> exact statistics and examples of every feature; how summaries merge; the metrics.

Nothing here knows models or stores. Only summarise_torch.py imports torch.
"""
