"""Sparse activations -> exact statistics and examples of every feature; how summaries merge; the metrics.

Nothing here knows models or stores. Only torch_blocks.py imports torch.
"""
