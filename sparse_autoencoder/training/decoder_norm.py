"""Keep the decoder's columns at unit norm while training, so that activations can't shrink for nothing.

Gao et al., 2024, arXiv:2406.04093, section A.1: before an optimiser's step the gradient's part along a column is taken
out, and after it the columns are normalised.
"""

import torch
from torch.nn import functional

from sparse_autoencoder.model import Autoencoder


@torch.no_grad()
def project_out_parallel_gradient(autoencoder: Autoencoder) -> None:
    """Take from the decoder's gradient the part that only changes the columns' lengths; call it before the step.

    Raises RuntimeError if there is no gradient yet.
    """
    columns, gradient = autoencoder.decoder.weight, autoencoder.decoder.weight.grad
    if gradient is None:
        raise RuntimeError("the decoder has no gradient: call backward first")
    gradient -= (gradient * columns).sum(dim=0) * columns


@torch.no_grad()
def normalise_decoder(autoencoder: Autoencoder) -> None:
    """Scale the decoder's columns to unit norm; call it after the step."""
    autoencoder.decoder.weight.copy_(functional.normalize(autoencoder.decoder.weight, dim=0))
