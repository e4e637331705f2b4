"""Log ratios of densities are what the formula says, and their intervals contain the truth as often as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.reading.compare_densities import LogRatios, log_ratios


def compare(a: int, tokens_a: int, b: int, tokens_b: int) -> tuple[float, float, float, float]:
    """Value, low, high and certain of one feature."""
    ratios = log_ratios(np.array([a]), tokens_a, np.array([b]), tokens_b)
    return tuple(float(numbers[0]) for numbers in (ratios.log_ratio, ratios.low, ratios.high, ratios.certain))  # type: ignore[return-value]


def test_a_ratio_is_log2_of_the_densities_with_half_a_token_more() -> None:
    # the ratio is (7.5 / 100) / (0.5 / 100) = 15, the variance 1 / 7.5 - 0.01 + 1 / 0.5 - 0.01 = 2.1133333,
    # and 1.9599640 * 1.4537309 / 0.6931472 = 4.1106134
    value, low, high, certain = compare(0, 99, 7, 99)
    assert value == pytest.approx(3.9068906)
    assert (low, high) == pytest.approx((3.9068906 - 4.1106134, 3.9068906 + 4.1106134))
    assert certain == 0.0


def test_runs_of_different_lengths_are_compared_by_density() -> None:
    # the ratio is (400.5 / 2000) / (100.5 / 4000) = 7.9701493, the variance 0.0024969 - 0.0005 + 0.0099502 - 0.00025
    # = 0.0116971, and 1.9599640 * 0.1081533 / 0.6931472 = 0.3058174
    value, low, high, certain = compare(100, 3999, 400, 1999)
    assert value == pytest.approx(2.9946067)
    assert (low, high) == pytest.approx((2.9946067 - 0.3058174, 2.9946067 + 0.3058174))
    assert certain == low


def test_equal_counts_of_equal_runs_differ_by_nothing() -> None:
    value, low, high, certain = compare(12, 1000, 12, 1000)
    assert (value, certain) == (0.0, 0.0)
    assert low == -high < 0.0


def test_certain_is_how_far_the_interval_is_from_0() -> None:
    low, high = np.array([0.5, -2.0, -1.0, 0.0]), np.array([3.0, -1.5, 1.0, 2.0])
    assert LogRatios((low + high) / 2, low, high).certain.tolist() == [0.5, 1.5, 0.0, 0.0]


runs = st.integers(0, 10**9).flatmap(lambda tokens: st.tuples(st.integers(0, tokens), st.just(tokens)))


@given(runs, runs)
def test_exchanging_the_runs_mirrors_everything(a: tuple[int, int], b: tuple[int, int]) -> None:
    value, low, high, certain = compare(*a, *b)
    assert compare(*b, *a) == (-value, -high, -low, certain)


@given(runs, runs)
def test_every_count_has_a_finite_ratio_within_its_interval(a: tuple[int, int], b: tuple[int, int]) -> None:
    value, low, high, certain = compare(*a, *b)
    assert all(map(math.isfinite, (value, low, high)))
    assert low < value < high
    assert 0.0 <= certain < abs(value) or certain == 0.0


@pytest.mark.parametrize(
    ("tokens_a", "density_a", "tokens_b", "density_b"),
    [
        (10_000, 0.002, 10_000, 0.002),
        (10_000, 0.002, 40_000, 0.001),
        (5_000, 0.01, 20_000, 0.04),
        (2_000, 0.3, 3_000, 0.2),
        (1_000_000, 0.00003, 300_000, 0.0001),
    ],
)
def test_the_interval_contains_the_true_ratio_as_often_as_it_says(
    tokens_a: int, density_a: float, tokens_b: int, density_b: float
) -> None:
    random = np.random.default_rng(0)
    ratios = log_ratios(
        random.binomial(tokens_a, density_a, 20_000), tokens_a, random.binomial(tokens_b, density_b, 20_000), tokens_b
    )
    truth = math.log2(density_b / density_a)
    assert 0.93 <= np.mean((ratios.low <= truth) & (truth <= ratios.high)) <= 0.97
