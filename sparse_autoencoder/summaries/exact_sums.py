"""Sums of powers that come out the same in whatever order, and on whatever device, the numbers are added.

Each number is divided by a power of two near its group's largest, and its powers are rounded to two grids: to one so
coarse that no sum on it is ever rounded, and what that leaves to a finer one (the "error-free vector transformation"
of Rump, Ogita and Oishi, 2008). What is dropped is below 2^-66 of the largest power for each number of a block of
65,536, so the only rounding that shows is that of the result. Until then sums of parts of a group can be added exactly,
if all parts were summed on the group's scale. Nothing here knows what the numbers mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.utils.arrays import Ints, bits_for

POWERS = (1, 2, 3, 4)
Floats = NDArray[np.float64]
AnyFloats = TypeVar("AnyFloats", bound=Any)  # float64: numpy's, or a tensor
PowerParts = list[tuple[Floats, Floats]]  # for each power its sums on the coarse and on the fine grid, [groups] each


@dataclass(frozen=True)
class Scale:
    """What the grids of groups follow from: each group's largest value, and how many values a group has at most."""

    maximum: NDArray[np.float32]  # [groups], 0 for a group without values
    most: int


@dataclass(frozen=True)
class Grids:
    """The grids for sums of at most `most` numbers each: multiples of `coarse` and of `fine`, powers of two."""

    coarse: float
    fine: float

    @classmethod
    def of(cls, most: int) -> Grids:
        """Steps for which the sums of numbers below 16, and of what rounding them leaves, fit in 52 bits."""
        bits = bits_for(most)
        return cls(2.0 ** (bits - 48), 2.0 ** (2 * bits - 100))

    def parts(self, scaled: AnyFloats) -> Iterator[tuple[AnyFloats, AnyFloats]]:
        """For each power of the numbers in [0, 2): its parts on the coarse and on the fine grid."""
        power = scaled
        for exponent in POWERS:
            coarse = _rounded(power, self.coarse)
            yield coarse, _rounded(power - coarse, self.fine)
            if exponent < POWERS[-1]:
                power = power * scaled


def _rounded(numbers: AnyFloats, step: float) -> AnyFloats:
    # Beside 1.5 * 2^52 steps a float64 has no room for less than a step.
    shift = 1.5 * 2.0**52 * step
    rounded: AnyFloats = numbers + shift
    rounded -= shift
    return rounded


def exponents(maximum: Floats) -> Ints:
    """The largest e with 2^e <= maximum, for numbers above 0 that are normal in float64, as all of float32 are."""
    return (maximum.view(np.int64) >> 52) - 1023


def powers_of_two(exponent: Ints) -> Floats:
    """2^exponent exactly, for exponents from -1022 to 1023."""
    return ((exponent + 1023) << 52).view(np.float64)


def power_parts(value: NDArray[np.float32], starts: Ints, scale: Scale) -> PowerParts:
    """Sums [groups] of the values' powers, not yet rounded; groups begin at `starts`, and all values are above 0."""
    exponent = exponents(scale.maximum.astype(np.float64))
    scaled = value * np.repeat(powers_of_two(-exponent), np.diff(starts, append=len(value)))
    return [
        (np.add.reduceat(coarse, starts), np.add.reduceat(fine, starts))
        for coarse, fine in Grids.of(scale.most).parts(scaled)
    ]


def added(one: PowerParts, other: PowerParts) -> PowerParts:
    """The sums of two parts of the same groups, exactly, if both are on the scale of the whole groups."""
    return [
        (coarse + more_coarse, fine + more_fine)
        for (coarse, fine), (more_coarse, more_fine) in zip(one, other, strict=True)
    ]


def rounded_sums(parts: PowerParts, maximum: NDArray[np.float32]) -> list[Floats]:
    """The sums of powers [groups], from their parts on the scale of these largest values (0: there are no values)."""
    exponent = exponents(np.where(maximum > 0, maximum, 1).astype(np.float64))
    return [
        (coarse + fine) * powers_of_two(power * exponent) for power, (coarse, fine) in zip(POWERS, parts, strict=True)
    ]
