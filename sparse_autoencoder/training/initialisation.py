"""An untrained TopK autoencoder, initialised as OpenAI's were (Gao et al., 2024, arXiv:2406.04093, section A.1)."""

import torch
from torch import Tensor
from torch.nn import functional

from sparse_autoencoder.model import Autoencoder, TopK


def initialised(sample: Tensor, n_latents: int, k: int, seed: int) -> Autoencoder:
    """An autoencoder for inputs like `sample` [n, n_inputs], to be trained.

    `pre_bias` is the sample's geometric median; the encoder's directions are random, of unit norm, and the decoder is
    the encoder's transpose.
    """
    torch.manual_seed(seed)
    autoencoder = Autoencoder(n_latents, sample.shape[1], TopK(k), normalize=True)
    normalised, _ = autoencoder.preprocess(sample)
    with torch.no_grad():
        autoencoder.pre_bias.copy_(geometric_median(normalised))
        directions = functional.normalize(torch.randn(n_latents, sample.shape[1]), dim=1)
        autoencoder.encoder.weight.copy_(directions)
        autoencoder.decoder.weight.copy_(directions.T)
    return autoencoder


def geometric_median(points: Tensor, iterations: int = 30) -> Tensor:
    """The point with the least sum of distances to `points` [n, width], by Weiszfeld's iteration."""
    median = points.mean(dim=0)
    for _ in range(iterations):
        weights = 1 / (points - median).norm(dim=1).clamp(min=1e-6)
        median = (weights[:, None] * points).sum(dim=0) / weights.sum()
    return median
