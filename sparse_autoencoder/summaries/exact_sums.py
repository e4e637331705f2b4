"""Sums of powers that don't depend on the order of addition or on the device.

Each number is divided by a power of two near the largest of its group. Each power is then split into a multiple of a
coarse step, and a multiple of a fine step for the rest (the "error-free vector transformation" of Rump, Ogita and
Oishi, 2008). The steps are so large that sums of these multiples are never rounded. What is dropped is less than 2^-66
of the largest power for each number, in a block of 65,536, so only the rounding of the final result is visible. Before
it, the sums of a group's parts can be added exactly, if all parts used the scale of the whole group.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.utils.numpy_array_ops import Ints, bits_for

POWERS = (1, 2, 3, 4)
Floats = NDArray[np.float64]
AnyFloats = TypeVar("AnyFloats", bound=Any)  # float64, a numpy array or a tensor
PowerParts = list[tuple[Floats, Floats]]  # for each power the sums of coarse and of fine multiples, [groups] each


@dataclass(frozen=True)
class Scale:
    """What determines the steps of groups: each group's largest value, and the largest number of values in a group."""

    maximum: NDArray[np.float32]  # [groups], 0 for a group without values
    most: int


@dataclass(frozen=True)
class Grids:
    """The two steps, powers of two, for sums of at most `most` numbers each."""

    coarse: float
    fine: float

    @classmethod
    def of(cls, most: int) -> Grids:
        """Steps for which sums of numbers below 16, and sums of their rounding errors, fit in 52 bits."""
        bits = bits_for(most)
        return cls(2.0 ** (bits - 48), 2.0 ** (2 * bits - 100))

    def parts(self, scaled: AnyFloats) -> Iterator[tuple[AnyFloats, AnyFloats]]:
        """For each power of the numbers, which are in [0, 2): its coarse and its fine multiple."""
        power = scaled
        for exponent in POWERS:
            coarse = _rounded(power, self.coarse)
            yield coarse, _rounded(power - coarse, self.fine)
            if exponent < POWERS[-1]:
                power = power * scaled


def _rounded(numbers: AnyFloats, step: float) -> AnyFloats:
    # Near 1.5 * 2^52 steps, the spacing of float64 numbers is one step, so the addition rounds to a multiple of it.
    shift = 1.5 * 2.0**52 * step
    rounded: AnyFloats = numbers + shift
    rounded -= shift
    return rounded


def exponents(maximum: Floats) -> Ints:
    """The largest e with 2^e <= maximum, for positive numbers that are normal in float64 (all of float32 are)."""
    return (maximum.view(np.int64) >> 52) - 1023


def powers_of_two(exponent: Ints) -> Floats:
    """2^exponent exactly, for exponents from -1022 to 1023."""
    return ((exponent + 1023) << 52).view(np.float64)


def power_parts(value: NDArray[np.float32], starts: Ints, scale: Scale) -> PowerParts:
    """Unrounded sums [groups] of the values' powers; groups begin at `starts`, and all values are positive."""
    exponent = exponents(scale.maximum.astype(np.float64))
    scaled = value * np.repeat(powers_of_two(-exponent), np.diff(starts, append=len(value)))
    return [
        (np.add.reduceat(coarse, starts), np.add.reduceat(fine, starts))
        for coarse, fine in Grids.of(scale.most).parts(scaled)
    ]


def added(one: PowerParts, other: PowerParts) -> PowerParts:
    """Add the sums of two parts of the same groups, exactly; both must have the scale of the whole groups."""
    return [
        (coarse + more_coarse, fine + more_fine)
        for (coarse, fine), (more_coarse, more_fine) in zip(one, other, strict=True)
    ]


def rounded_sums(parts: PowerParts, maximum: NDArray[np.float32]) -> list[Floats]:
    """The rounded sums of powers [groups]; `maximum` is the groups' largest values (0: no values)."""
    exponent = exponents(np.where(maximum > 0, maximum, 1).astype(np.float64))
    return [
        (coarse + fine) * powers_of_two(power * exponent) for power, (coarse, fine) in zip(POWERS, parts, strict=True)
    ]
