"""Sums of powers don't depend on the order of addition, and are as near to the exact ones as float64 can say."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.summaries.exact_sums import POWERS, Scale, power_parts, rounded_sums

TINIEST, LARGEST = float(np.float32(1e-45)), float(np.finfo(np.float32).max)
values = st.lists(st.floats(TINIEST, LARGEST, width=32), min_size=1, max_size=200)


def sums_of(numbers: list[float], most: int = 65_536) -> list[float]:
    value = np.array(numbers, np.float32)
    scale = Scale(value.max(keepdims=True), most)
    parts = power_parts(value, np.zeros(1, np.int64), scale)
    return [float(total[0]) for total in rounded_sums(parts, scale.maximum)]


@given(values, st.randoms(use_true_random=False))
def test_any_order_gives_the_same_bits(numbers: list[float], shuffler: random.Random) -> None:
    shuffled = list(numbers)
    shuffler.shuffle(shuffled)
    assert sums_of(shuffled) == sums_of(numbers)


@given(values)
def test_sums_are_exact_but_for_their_own_rounding(numbers: list[float]) -> None:
    for power, total in zip(POWERS, sums_of(numbers), strict=True):
        exact = sum((Fraction(number) ** power for number in numbers), Fraction(0))
        assert abs(Fraction(total) - exact) <= exact * Fraction(2**-50)


def test_the_largest_block_of_equal_numbers_loses_nothing() -> None:
    number = float(np.float32(1.9999999))
    for power, total in zip(POWERS, sums_of([number] * 65_536), strict=True):
        exact = 65_536 * Fraction(number) ** power
        assert abs(Fraction(total) - exact) <= exact * Fraction(2**-50)


def test_groups_are_summed_apart() -> None:
    value = np.array([3.0, TINIEST, TINIEST, 2.0**100], np.float32)
    scale = Scale(value[[0, 1, 3]], most=4)
    sums = rounded_sums(power_parts(value, np.array([0, 1, 3]), scale), scale.maximum)
    assert [total.tolist() for total in sums] == [[3.0**k, 2 * TINIEST**k, 2.0 ** (100 * k)] for k in POWERS]
