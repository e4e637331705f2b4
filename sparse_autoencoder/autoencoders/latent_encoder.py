"""Sparse latents of vectors, and vectors of those, by an autoencoder whose weights are packed for this machine.

Dense pre-activations exist only for one tile of vectors at a time. The formulas are those of model.py.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparse_autoencoder.kernels.cpu_screened_top_k import ScreenedLinear, can_screen
from sparse_autoencoder.kernels.tiled_matmul import TiledLinear, row_tiles
from sparse_autoencoder.kernels.torch_array_ops import ranges, running_total
from sparse_autoencoder.model import Autoencoder, TopK, normalised


class TooManyActivationsError(Exception):
    """There are more activations than the limit: take fewer vectors at once."""


class Limit:
    """Bounds the number of entries that several threads find together; None: no bound."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._found = 0
        self._lock = threading.Lock()

    def add(self, number: int) -> None:
        """Add to the count; TooManyActivationsError if it is now above the limit."""
        with self._lock:
            self._found += number
            self.check(self._found)

    def check(self, total: int) -> None:
        """Raise TooManyActivationsError if a total is above the limit."""
        if self._most is not None and total > self._most:
            raise TooManyActivationsError


@dataclass(frozen=True)
class SparseLatents:
    """Sparse latents of vectors, flat and grouped by vector. Entries that are not positive are not active."""

    counts: Tensor  # [vectors], int64: number of entries of each vector
    latent: Tensor  # [entries], int32
    value: Tensor  # [entries], float32

    @classmethod
    def concatenate(cls, parts: Sequence[SparseLatents]) -> SparseLatents:
        """The vectors of all parts, one part after the other."""
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in ("counts", "latent", "value")))

    def active(self, vectors: Tensor, limit: Limit | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """The active latents of some vectors, given by their numbers: (index into `vectors`, latent, value), flat.

        Values that aren't finite are included. Raises TooManyActivationsError if the vectors have more entries than the
        limit.
        """
        lengths = self.counts[vectors]
        if limit is not None:
            limit.check(int(lengths.sum()))
        entry = ranges(running_total(self.counts)[vectors], lengths)
        value = self.value[entry]
        place = torch.repeat_interleave(lengths, output_size=len(entry))
        active = torch.nonzero(_is_active(value)).squeeze(1)
        return place[active], self.latent[entry[active]], value[active]


@dataclass(frozen=True)
class Inputs:
    """Vectors [vectors, n_inputs], as they come from the model and as the autoencoder sees them."""

    raw: Tensor
    own: Tensor  # normalised, if the autoencoder does that
    info: dict[str, Tensor]  # what undoes it (model.normalised); empty if nothing was done

    def __getitem__(self, some: slice) -> Inputs:
        return Inputs(self.raw[some], self.own[some], {name: numbers[some] for name, numbers in self.info.items()})


class LatentEncoder:
    """An autoencoder that encodes, and decodes what it has encoded.

    `directions` [n_latents, n_inputs] are the decoder's, on its device and in its type.
    """

    def __init__(self, autoencoder: Autoencoder) -> None:
        # Only what is needed, so that the other weights can be freed. Copies, because a checkpoint's tensors are views
        # of the memory-mapped file, and writing to that file must not change a running model.
        self.normalises = autoencoder.normalize
        self._activation = autoencoder.activation
        self._pre_bias = autoencoder.pre_bias.detach().clone()
        weight, bias = autoencoder.encoder.weight.detach().clone().t(), autoencoder.latent_bias.detach().clone()
        screens = isinstance(autoencoder.activation, TopK) and can_screen(weight)
        self._encoder = ScreenedLinear(weight, bias) if screens else TiledLinear(weight, bias)
        self.directions = autoencoder.decoder.weight.detach().t().clone(memory_format=torch.contiguous_format)

    @property
    def width(self) -> int:
        """Width of the vectors that it takes."""
        return self.directions.shape[1]

    @property
    def most_active(self) -> int:
        """How many latents of a vector can be active."""
        return self._activation.k if isinstance(self._activation, TopK) else len(self.directions)

    def inputs(self, vectors: Tensor) -> Inputs:
        """Vectors [batch, n_inputs] as `encoded` and `decoded` take them."""
        own, info = normalised(vectors) if self.normalises and len(vectors) else (vectors, {})
        return Inputs(vectors, own, info)

    def pre_activations(self, vectors: Tensor) -> Tensor:
        """Dense pre-activations [batch, n_latents] of vectors [batch, n_inputs]."""
        return self._encoder.apply(self.inputs(vectors).own - self._pre_bias)

    def sparse(self, vectors: Tensor, limit: Limit | None = None) -> SparseLatents:
        """`encoded` for vectors [batch, n_inputs]."""
        return self.encoded(self.inputs(vectors), limit)

    def encoded(self, inputs: Inputs, limit: Limit | None = None) -> SparseLatents:
        """The latents of vectors: all active ones; of a TopK autoencoder all k selected ones.

        Raises TooManyActivationsError if there are more than the limit. Those of a TopK autoencoder aren't counted,
        because their number is known beforehand.
        """
        centred, activation = inputs.own - self._pre_bias, self._activation
        if not isinstance(activation, TopK):
            limit = limit or Limit()
            return SparseLatents.concatenate([self._positive(part, limit) for part in row_tiles(centred)])
        # counting the positive ones here would make the host wait for the device
        values, latents = self._encoder.top_k(centred, activation.k)
        counts = torch.full((len(centred),), activation.k, device=centred.device)
        return _flat(counts, latents, activation.postact_fn(values))

    def decoded(self, inputs: Inputs, latents: SparseLatents, begin: int, end: int) -> Tensor:
        """The reconstructions, in the autoencoder's own space, of the vectors `begin` to `end` (exclusive).

        `latents` are those of all vectors. An identity also decodes its negative latents, which aren't among the sparse
        ones, so there the latents are computed again.
        """
        activation, directions = self._activation, self.directions
        if isinstance(activation, nn.Identity):
            return self._encoder.apply(inputs.own[begin:end] - self._pre_bias) @ directions + self._pre_bias
        if isinstance(activation, TopK):
            chosen, offsets = slice(begin * activation.k, end * activation.k), None
        else:
            bounds = running_total(latents.counts)
            chosen, offsets = slice(int(bounds[begin]), int(bounds[end])), (bounds[begin:end] - bounds[begin]).int()
        index, value = latents.latent[chosen], latents.value[chosen].to(directions.dtype)
        if offsets is None:
            index, value = index.view(end - begin, -1), value.view(end - begin, -1)
        bags = functional.embedding_bag(index, directions, offsets, mode="sum", per_sample_weights=value)
        return bags.add_(self._pre_bias)

    def reconstructed(self, vectors: Tensor) -> Tensor:
        """The reconstructions of vectors [batch, n_inputs], as the model would see them."""
        inputs = self.inputs(vectors)
        decoded = self.decoded(inputs, self.encoded(inputs), 0, len(vectors))
        return decoded * inputs.info["std"] + inputs.info["mu"] if inputs.info else decoded

    def _positive(self, centred: Tensor, limit: Limit) -> SparseLatents:
        """The active latents."""
        values = self._activation(self._encoder.apply(centred))
        row, latent = torch.nonzero(_is_active(values), as_tuple=True)
        limit.add(len(row))
        return _flat(torch.bincount(row, minlength=len(centred)), latent, values[row, latent])


def _flat(counts: Tensor, latents: Tensor, values: Tensor) -> SparseLatents:
    return SparseLatents(counts, latents.reshape(-1).to(torch.int32), values.reshape(-1).to(torch.float32))


def _is_active(values: Tensor) -> Tensor:
    # NaN compares false with everything; this form keeps it, so that it is reported and not dropped
    return ~(values <= 0)
