"""Sums of powers that come out the same in whatever order, and on whatever device, the numbers are added.

Each number is divided by a power of two near its group's largest, and its powers are rounded to two grids: to one so
coarse that no sum on it is ever rounded, and what that leaves to a finer one (the "error-free vector transformation"
of Rump, Ogita and Oishi, 2008). What is dropped is below 2^-66 of the largest power for each number of a block of
65,536, so the only rounding that shows is that of the result. Nothing here knows what the numbers mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.arrays import Ints, bits_for

POWERS = (1, 2, 3, 4)
Floats = NDArray[np.float64]
AnyFloats = TypeVar("AnyFloats", bound=Any)  # float64: numpy's, or a tensor


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


def power_sums(value: NDArray[np.float32], starts: Ints, maximum: NDArray[np.float32], most: int) -> list[Floats]:
    """Sums [groups] of the values, their squares, cubes and fourth powers, for groups of at most `most` values > 0.

    Groups begin at `starts`; `maximum` [groups] is their largest value.
    """
    exponent = exponents(maximum.astype(np.float64))
    scaled = value * np.repeat(powers_of_two(-exponent), np.diff(starts, append=len(value)))
    sums = [
        (np.add.reduceat(coarse, starts), np.add.reduceat(fine, starts))
        for coarse, fine in Grids.of(most).parts(scaled)
    ]
    return unscaled(sums, exponent)


def unscaled(sums: list[tuple[Floats, Floats]], exponent: Ints) -> list[Floats]:
    """The sums of powers [groups], from those of their parts and the exponents by which the values were divided."""
    return [
        (coarse + fine) * powers_of_two(power * exponent) for power, (coarse, fine) in zip(POWERS, sums, strict=True)
    ]
