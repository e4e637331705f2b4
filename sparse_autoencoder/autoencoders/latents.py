"""Vectors to sparse latents, by an autoencoder whose weights are laid out for this machine.

Dense pre-activations exist for some vectors at a time only. The formulas are those of model.py. This file knows nothing
of texts, windows or language models.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sparse_autoencoder.kernels.device_arrays import ranges, running_total
from sparse_autoencoder.kernels.screened_top_k import Screened, can_screen
from sparse_autoencoder.kernels.tiled_product import Wide, row_tiles
from sparse_autoencoder.model import Autoencoder, TopK, normalised


class TooManyActivationsError(Exception):
    """More activations than may be held at once: take fewer vectors."""


class Limit:
    """How many entries there may be together, in whatever thread they are found; None: any number."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._found = 0
        self._lock = threading.Lock()

    def add(self, number: int) -> None:
        """Count further ones; TooManyActivationsError if that makes too many."""
        with self._lock:
            self._found += number
            self.check(self._found)

    def check(self, total: int) -> None:
        """TooManyActivationsError if that is too many."""
        if self._most is not None and total > self._most:
            raise TooManyActivationsError


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

    def active(self, vectors: Tensor, limit: Limit | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """The active latents of the vectors with these numbers: place in `vectors`, latent and value of each.

        Values that aren't finite are among them. Raises TooManyActivationsError if the vectors have more entries than
        the limit allows.
        """
        lengths = self.counts[vectors]
        if limit is not None:
            limit.check(int(lengths.sum()))
        entry = ranges(running_total(self.counts)[vectors], lengths)
        value = self.value[entry]
        place = torch.repeat_interleave(lengths, output_size=len(entry))
        active = torch.nonzero(_is_active(value)).squeeze(1)
        return place[active], self.latent[entry[active]], value[active]


class LatentEncoder:
    """The encoder's half of an autoencoder."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        # What is needed of it, so that the rest of its weights can go. Copies, because a checkpoint's tensors are views
        # of the mapped file, and somebody may write to it while the run goes on.
        self._normalises = autoencoder.normalize
        self._activation = autoencoder.activation
        self._pre_bias = autoencoder.pre_bias.detach().clone()
        weight, bias = autoencoder.encoder.weight.detach().clone().t(), autoencoder.latent_bias.detach().clone()
        screens = isinstance(autoencoder.activation, TopK) and can_screen(weight)
        self._encoder = Screened(weight, bias) if screens else Wide(weight, bias)

    def pre_activations(self, vectors: Tensor) -> Tensor:
        """Dense pre-activations [batch, n_latents] of vectors [batch, n_inputs]."""
        return self._encoder.apply(self._inputs(vectors))

    def sparse(self, vectors: Tensor, limit: Limit | None = None) -> SparseLatents:
        """The latents of vectors [batch, n_inputs]: all active ones, and those that a TopK selects beside them.

        Raises TooManyActivationsError if that makes more than the limit allows; how many a TopK selects is known
        beforehand, and not counted.
        """
        inputs, activation = self._inputs(vectors), self._activation
        if not isinstance(activation, TopK):
            limit = limit or Limit()
            return SparseLatents.concatenate([self._positive(part, limit) for part in row_tiles(inputs)])
        # how many of what is selected are positive a device needn't say yet
        values, latents = self._encoder.top_k(inputs, activation.k)
        counts = torch.full((len(inputs),), activation.k, device=inputs.device)
        return _flat(counts, latents, activation.postact_fn(values))

    def _inputs(self, vectors: Tensor) -> Tensor:
        if self._normalises and len(vectors):
            vectors, _info = normalised(vectors)
        return vectors - self._pre_bias

    def _positive(self, inputs: Tensor, limit: Limit) -> SparseLatents:
        """The active latents."""
        values = self._activation(self._encoder.apply(inputs))
        row, latent = torch.nonzero(_is_active(values), as_tuple=True)
        limit.add(len(row))
        return _flat(torch.bincount(row, minlength=len(inputs)), latent, values[row, latent])


def _flat(counts: Tensor, latents: Tensor, values: Tensor) -> SparseLatents:
    return SparseLatents(counts, latents.reshape(-1).to(torch.int32), values.reshape(-1).to(torch.float32))


def _is_active(values: Tensor) -> Tensor:
    # NaN compares false with everything: keep it, so that it is reported instead of dropped
    return ~(values <= 0)
