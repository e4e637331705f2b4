"""Vectors to sparse latents, by an autoencoder whose weights are laid out for this machine.

No more than the pre-activations of the vectors given exist at once, and nothing dense is returned. The formulas are
those of model.py. This file knows nothing of texts, windows or language models.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparse_autoencoder.arrays import Ints
from sparse_autoencoder.linear import Linear
from sparse_autoencoder.model import Autoencoder, TopK, normalised


class LatentEncoder:
    """The encoder's half of an autoencoder."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        # what is needed of it, so that the rest of its weights can go
        self._normalises = autoencoder.normalize
        self._activation = autoencoder.activation
        self._pre_bias = autoencoder.pre_bias.detach()
        self._encoder = Linear(autoencoder.encoder.weight.detach().t(), autoencoder.latent_bias.detach())

    def pre_activations(self, vectors: Tensor) -> Tensor:
        """Dense pre-activations [batch, n_latents] of vectors [batch, n_inputs]."""
        if self._normalises:
            vectors, _info = normalised(vectors)
        return self._encoder.apply(vectors - self._pre_bias)

    def sparse(self, vectors: Tensor) -> tuple[Ints, NDArray[np.int32], NDArray[np.float32]]:
        """Row, latent and value of each positive latent of vectors [batch, n_inputs]; values that aren't finite too."""
        pre_activations = self.pre_activations(vectors)
        if isinstance(self._activation, TopK):
            values, latents = self._activation.sparse(pre_activations)
            row, column = torch.nonzero(_counts(values), as_tuple=True)
            latent = latents[row, column]
        else:
            values = self._activation(pre_activations)
            row, column = torch.nonzero(_counts(values), as_tuple=True)
            latent = column
        return (
            row.cpu().numpy(),
            latent.to(torch.int32).cpu().numpy(),
            values[row, column].to(torch.float32).cpu().numpy(),
        )


def _counts(values: Tensor) -> Tensor:
    # NaN compares false with everything: keep it, so that it is reported instead of dropped
    return ~(values <= 0)
