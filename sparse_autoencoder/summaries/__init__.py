"""Sparse activations -> exact statistics and examples of every feature; merging; the metrics. It knows no models and no
stores."""
