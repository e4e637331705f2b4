"""What setting or raising one feature's activation adds to the vectors that the autoencoder reads.

With its error kept, a vector h is decode(z) + error. Setting the activation z_f to a target gives

    h + s (target - z_f(h)) d_f

and raising it by δ gives h + s δ d_f, with the decoder's direction d_f, and s the standard deviation of h if the
autoencoder normalises its inputs, else 1. Other activations stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sparse_autoencoder.autoencoders.latent_encoder import Inputs, LatentEncoder
from sparse_autoencoder.errors import BadQuestionError


@dataclass(frozen=True)
class FeatureDirection:
    """One feature of an autoencoder."""

    latents: LatentEncoder
    feature: int

    def __post_init__(self) -> None:
        if not 0 <= self.feature < len(self.latents.directions):
            raise BadQuestionError(
                f"there is no feature {self.feature}: the autoencoder's are 0 to {len(self.latents.directions) - 1}"
            )

    def activations(self, vectors: Tensor) -> Tensor:
        """The feature's activation at each of some vectors [vectors, width]: [vectors], float32."""
        return self._activations(self.latents.inputs(vectors))

    def setting(self, vectors: Tensor, target: float | Tensor | None) -> Tensor:
        """What setting the activation to a target, or to one for each vector, adds: [vectors, width].

        None: to what it is already, which adds nothing.
        """
        inputs = self.latents.inputs(vectors)
        now = self._activations(inputs)
        return self._added(inputs, (now if target is None else target) - now)

    def raising(self, vectors: Tensor, by: float) -> Tensor:
        """What raising the activation of each vector adds: [vectors, width]."""
        return self._added(self.latents.inputs(vectors), torch.full((len(vectors),), by, device=vectors.device))

    def _activations(self, inputs: Inputs) -> Tensor:
        found = self.latents.encoded(inputs)
        vector = torch.repeat_interleave(found.counts)
        mine = torch.nonzero(found.latent == self.feature).flatten()
        values = found.value.new_zeros(len(found.counts))
        values[vector[mine]] = found.value[mine]
        return values

    def _added(self, inputs: Inputs, by: Tensor) -> Tensor:
        scaled = by[:, None] * inputs.info["std"] if inputs.info else by[:, None]
        return (scaled * self.latents.directions[self.feature]).to(inputs.raw.dtype)
