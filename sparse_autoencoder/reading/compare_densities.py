"""Compares how often features fire in two runs: the log ratio of the densities, and its confidence interval."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.utils.numpy_array_ops import Ints

CONFIDENCE = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LogRatios:
    """log2(density in b / density in a), and the ends of its confidence interval, [features] each."""

    log_ratio: Floats
    low: Floats
    high: Floats

    @property
    def certain(self) -> Floats:
        """The confidence interval's distance from 0, the smallest plausible difference; 0 if 0 is in the interval."""
        return np.maximum(0.0, np.maximum(self.low, -self.high))


def log_ratios(count_a: Ints, tokens_a: int, count_b: Ints, tokens_b: int) -> LogRatios:
    """Compare how often features fired, `count` [features] of `tokens` tokens, in a and in b.

    With a of A and b of B tokens, the value is log2((b + 1/2) / (B + 1)) - log2((a + 1/2) / (A + 1)). The added half
    tokens (one that fires, one that doesn't) give a ratio for counts of 0 too. The interval is symmetric, with the
    half-width z * sqrt(1 / (a + 1/2) - 1 / (A + 1) + 1 / (b + 1/2) - 1 / (B + 1)) / ln 2, where z is the quantile of
    the normal distribution. This is the delta method for the logarithm of a ratio of two proportions (Katz, Baptista,
    Azen and Pike, Biometrics 34, 1978), with the same halves. It assumes independent tokens; neighbouring tokens are
    not independent.
    """
    log_a, variance_a = _log_density(count_a, tokens_a)
    log_b, variance_b = _log_density(count_b, tokens_b)
    value = (log_b - log_a) / math.log(2)
    half_width = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * np.sqrt(variance_a + variance_b) / math.log(2)
    return LogRatios(value, value - half_width, value + half_width)


def _log_density(count: Ints, tokens: int) -> tuple[Floats, Floats]:
    """The natural logarithm of a density, with the added halves, and its variance."""
    more = count + 0.5
    return np.log(more / (tokens + 1)), 1 / more - 1 / (tokens + 1)
