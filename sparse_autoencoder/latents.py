"""Vectors to sparse latents, by an autoencoder whose weights are laid out for this machine.

Dense pre-activations exist for a tile at a time only, some vectors by some latents, small enough to be selected from
while they are in the cache. The formulas are those of model.py. This file knows nothing of texts, windows or language
models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sparse_autoencoder.device_arrays import ranges, running_total
from sparse_autoencoder.linear import Linear
from sparse_autoencoder.model import Autoencoder, TopK, normalised
from sparse_autoencoder.top_k import top_k

# A tile, by device. On a CPU, more than 32 MiB would be given back to the system and asked for again every time.
TILE_VECTORS = {"cpu": 128}
_TILE_VECTORS_ELSEWHERE = 4096
TILE_LATENTS = 32_768


@dataclass(frozen=True)
class SparseLatents:
    """Latents of vectors, flat and by vector. Some may not be positive: they aren't active."""

    counts: Tensor  # [vectors], int64: how many entries each vector has
    latent: Tensor  # [entries], int32
    value: Tensor  # [entries], float32

    @classmethod
    def concatenate(cls, parts: Sequence[SparseLatents]) -> SparseLatents:
        """The parts' vectors one after the other."""
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in ("counts", "latent", "value")))

    def active(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The active latents of the vectors with these numbers: place in `vectors`, latent and value of each.

        Values that aren't finite are among them.
        """
        lengths = self.counts[vectors]
        entry = ranges(running_total(self.counts)[vectors], lengths)
        value = self.value[entry]
        place = torch.repeat_interleave(lengths, output_size=len(entry))
        active = torch.nonzero(_is_active(value)).squeeze(1)
        return place[active], self.latent[entry[active]], value[active]


class LatentEncoder:
    """The encoder's half of an autoencoder."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        # what is needed of it, so that the rest of its weights can go
        self._normalises = autoencoder.normalize
        self._activation = autoencoder.activation
        self._pre_bias = autoencoder.pre_bias.detach()
        weight, bias = autoencoder.encoder.weight.detach().t(), autoencoder.latent_bias.detach()
        self._tile_vectors = TILE_VECTORS.get(weight.device.type, _TILE_VECTORS_ELSEWHERE)
        self._first_latents = range(0, autoencoder.n_latents, TILE_LATENTS)
        self._tiles = [
            Linear(weight[:, begin : begin + TILE_LATENTS], bias[begin : begin + TILE_LATENTS])
            for begin in self._first_latents
        ]

    def pre_activations(self, vectors: Tensor) -> Tensor:
        """Dense pre-activations [batch, n_latents] of vectors [batch, n_inputs]."""
        return self._dense(self._inputs(vectors))

    def sparse(self, vectors: Tensor) -> SparseLatents:
        """The latents of vectors [batch, n_inputs]: all active ones, and those that a TopK selects beside them."""
        activation = self._activation
        parts = [self._inputs(part) for part in torch.split(vectors, self._tile_vectors)]
        if isinstance(activation, TopK):
            return SparseLatents.concatenate([self._selected(part, activation) for part in parts])
        return SparseLatents.concatenate([self._positive(part) for part in parts])

    def _inputs(self, vectors: Tensor) -> Tensor:
        if self._normalises and len(vectors):
            vectors, _info = normalised(vectors)
        return vectors - self._pre_bias

    def _dense(self, inputs: Tensor) -> Tensor:
        return torch.cat([tile.apply(inputs) for tile in self._tiles], dim=1)

    def _selected(self, inputs: Tensor, activation: TopK) -> SparseLatents:
        """What a TopK selects; how many of it are positive the device needn't say yet."""
        found = [top_k(tile.apply(inputs), min(activation.k, tile.n_out)) for tile in self._tiles]
        values = torch.cat([part for part, _columns in found], dim=1)
        latents = torch.cat([c + first for (_v, c), first in zip(found, self._first_latents, strict=True)], dim=1)
        if len(found) > 1:
            values, at = torch.topk(values, activation.k, dim=1)
            latents = latents.gather(1, at)
        counts = torch.full((len(inputs),), activation.k, device=inputs.device)
        return _flat(counts, latents, activation.postact_fn(values))

    def _positive(self, inputs: Tensor) -> SparseLatents:
        """The active latents."""
        values = self._activation(self._dense(inputs))
        row, latent = torch.nonzero(_is_active(values), as_tuple=True)
        return _flat(torch.bincount(row, minlength=len(inputs)), latent, values[row, latent])


def _flat(counts: Tensor, latents: Tensor, values: Tensor) -> SparseLatents:
    return SparseLatents(counts, latents.reshape(-1).to(torch.int32), values.reshape(-1).to(torch.float32))


def _is_active(values: Tensor) -> Tensor:
    # NaN compares false with everything: keep it, so that it is reported instead of dropped
    return ~(values <= 0)
