"""Sums over a run's counted tokens of how well the autoencoder gives back its input.

Most of the self-check follows from them: the fraction of variance unexplained, cosine, bias and length of the
reconstructions, how many latents are active, and all of this by position in the window.
pipeline/reconstruction_errors.py computes them beside the encoder.

They are integers, so they merge exactly in any order and however tokens are split into batches. A token's quantity is
a float32 number, m 2^(e - 150) with an integer m below 2^24: the sum of m is kept for each exponent e. A vector's
elements are rounded to multiples of 2^-16. Sums of m are right for up to 2^39 tokens, those of an element x as long as
the sum of |x| is below 2^47.

"Own" is the space in which the autoencoder works, after it has normalised its input; "raw" is the model's. They are the
same for autoencoders that don't normalise. This file doesn't import torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.utils.numpy_array_ops import Ints

SPACES = ("own", "raw")
# x: a token's vector; r: its reconstruction
OF_A_SPACE = ("input", "error", "product", "reconstruction", "cosine", "ratio")  # |x|^2 |x-r|^2 <x,r> |r|^2 cos |r|/|x|
QUANTITIES = (*(f"{space}.{name}" for space in SPACES for name in OF_A_SPACE), "norm")  # norm: |x|, raw
EXPONENTS = 256  # of float32
LEAST_EXPONENT = 149  # the smallest float32 number is 2^-149
FRACTION_BITS = 16  # of vectors' elements
NORM_SHIFT = 19  # bins of |x|^2: the exponent and four bits of the fraction, so 32 bins to a doubling of |x|
NORM_BINS = 1 << (31 - NORM_SHIFT)


def position_buckets(max_tokens: int) -> Ints:
    """The bucket of each position 0, 1, … in a window: 0; 1; 2, 3; 4 to 7; 8 to 15; …"""
    return np.array([position.bit_length() for position in range(max_tokens)], np.int64)


def positions_of(bucket: int) -> tuple[int, int]:
    """The first and the last position of a bucket."""
    return (0, 0) if bucket == 0 else (1 << (bucket - 1), (1 << bucket) - 1)


@dataclass(frozen=True)
class ReconstructionSums:
    """The sums over some tokens. A position is a token's index among the counted tokens of its window."""

    tokens: Ints  # [buckets]
    parts: Ints  # [quantities, buckets, exponents], sums of m
    own_elements: Ints  # [buckets, width], sum of x in steps of 2^-16
    raw_elements: Ints  # [width]
    norms: Ints  # [NORM_BINS], tokens by |x|^2 in raw space
    active: Ints  # [most active latents + 1], tokens by the number of their active latents
    odd: Ints  # [2]: negative latents, and tokens that were left out because they have numbers that are not finite

    @classmethod
    def empty(cls) -> ReconstructionSums:
        """The sums of no tokens."""
        return cls(
            tokens=np.zeros(0, np.int64),
            parts=np.zeros((len(QUANTITIES), 0, EXPONENTS), np.int64),
            own_elements=np.zeros((0, 0), np.int64),
            raw_elements=np.zeros(0, np.int64),
            norms=np.zeros(NORM_BINS, np.int64),
            active=np.zeros(0, np.int64),
            odd=np.zeros(2, np.int64),
        )

    @classmethod
    def trimmed(cls, **arrays: Ints) -> ReconstructionSums:
        """These arrays without what no token reached, so that equal sums have equal arrays."""
        used = _used(arrays["tokens"])
        return cls(
            tokens=arrays["tokens"][:used],
            parts=arrays["parts"][:, :used],
            own_elements=arrays["own_elements"][:used],
            raw_elements=arrays["raw_elements"],
            norms=arrays["norms"],
            active=arrays["active"][: _used(arrays["active"])],
            odd=arrays["odd"],
        )

    def merge(self, other: ReconstructionSums) -> ReconstructionSums:
        """The sums of these tokens and of others."""
        if not other.num_tokens and not other.odd.any():
            return self
        return ReconstructionSums(
            *(_added(getattr(self, one.name), getattr(other, one.name)) for one in fields(ReconstructionSums))
        )

    @property
    def num_tokens(self) -> int:
        """How many tokens are in the sums."""
        return int(self.tokens.sum())

    def total(self, quantity: str, bucket: int | None = None) -> float:
        """The sum of a quantity over all tokens, or those of a position bucket; exact, then rounded to float64."""
        parts = self.parts[QUANTITIES.index(quantity)]
        by_exponent = parts.sum(axis=0) if bucket is None else parts[bucket]
        # e = 0 doesn't occur: numbers below 2^-126 have e = 1
        steps = sum(int(by_exponent[e]) << (int(e) - 1) for e in np.flatnonzero(by_exponent))
        return steps / (1 << LEAST_EXPONENT)

    def variation(self, space: str) -> float:
        """The sum of |x - mean|^2 over all tokens, where the mean is that of all tokens."""
        elements = self.raw_elements if space == "raw" else self.own_elements.sum(axis=0)
        return self.total(f"{space}.input") - _squared(elements) / max(self.num_tokens, 1)

    def variation_at(self, bucket: int) -> float:
        """The same in the autoencoder's own space over the tokens of a position bucket; the mean is that of all."""
        mean = self.own_elements.sum(axis=0) * (2.0**-FRACTION_BITS / max(self.num_tokens, 1))
        here = self.own_elements[bucket] * 2.0**-FRACTION_BITS
        centre = float(self.tokens[bucket]) * float(mean @ mean)
        return self.total("own.input", bucket) - 2 * float(here @ mean) + centre

    def norm_quantile(self, share: float) -> float:
        """A norm that this share of the tokens doesn't exceed, to 3 %; 0 for no tokens."""
        reached = np.cumsum(self.norms)
        if not len(reached) or reached[-1] == 0:
            return 0.0
        return float(_norms_of_bins()[int(np.searchsorted(reached, share * reached[-1]))])

    def share_above(self, norm: float) -> float:
        """The share of the tokens whose norm is above this one, to 3 % of the norm."""
        above = _norms_of_bins() > norm
        return float(self.norms[above].sum()) / max(float(self.norms.sum()), 1.0)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays for a file, as small as possible."""
        flat = self.parts.ravel()
        place, bins = np.flatnonzero(flat), np.flatnonzero(self.norms)
        return {
            "tokens": self.tokens,
            "parts.place": place,
            "parts.sum": flat[place],
            "own_elements": self.own_elements,
            "raw_elements": self.raw_elements,
            "norms.bin": bins,
            "norms.count": self.norms[bins],
            "active": self.active,
            "odd": self.odd,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> ReconstructionSums:
        """The inverse of `to_arrays`; integers may be of any type."""
        stored = {name: array.astype(np.int64) for name, array in arrays.items()}
        parts = np.zeros((len(QUANTITIES), len(stored["tokens"]), EXPONENTS), np.int64)
        parts.reshape(-1)[stored["parts.place"]] = stored["parts.sum"]
        norms = np.zeros(NORM_BINS, np.int64)
        norms[stored["norms.bin"]] = stored["norms.count"]
        same = ("tokens", "own_elements", "raw_elements", "active", "odd")
        return cls(parts=parts, norms=norms, **{name: stored[name] for name in same})


def _used(counts: Ints) -> int:
    """How long the array is without the zeros at its end."""
    return int(np.flatnonzero(counts).max(initial=-1)) + 1


def _added(one: Ints, other: Ints) -> Ints:
    """The sum of two arrays, where a shorter one is taken to go on with zeros."""
    if one.shape == other.shape:
        return one + other
    total = np.zeros(tuple(map(max, one.shape, other.shape)), np.int64)
    for array in (one, other):
        total[tuple(map(slice, array.shape))] += array
    return total


def _squared(elements: Ints) -> float:
    """|sum of x|^2, exact before it is rounded."""
    squares: int = sum(element * element for element in elements.tolist())
    return squares / (1 << (2 * FRACTION_BITS))


def _norms_of_bins() -> NDArray[np.float64]:
    """The norm in the middle of each bin of |x|^2."""
    per_octave = 1 << (23 - NORM_SHIFT)
    octave, place = np.divmod(np.arange(NORM_BINS), per_octave)
    norms: NDArray[np.float64] = np.sqrt(np.ldexp(1 + (place + 0.5) / per_octave, octave - 127))
    return norms
