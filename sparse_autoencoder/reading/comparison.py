"""How differently features fire in two runs: the log ratio of their densities, and how sure one can be of it.

Plain statistics on counts. This file knows no runs and no files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.utils.arrays import Ints

CONFIDENCE = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LogRatios:
    """Log2 of density in b over density in a, and the ends of its confidence interval, [features] each."""

    value: Floats
    low: Floats
    high: Floats

    @property
    def certain(self) -> Floats:
        """How much the densities differ for sure: the interval's distance from 0; 0 if the interval contains 0."""
        return np.maximum(0.0, np.maximum(self.low, -self.high))


def log_ratios(count_a: Ints, tokens_a: int, count_b: Ints, tokens_b: int) -> LogRatios:
    """Compare how often features fired, `count` [features] of `tokens` tokens, in a and in b.

    With a of A and b of B tokens the value is log2((b + 1/2) / (B + 1)) - log2((a + 1/2) / (A + 1)): half a token more
    that fires and half a one more that doesn't, so that a count of 0 has a ratio too. The interval is symmetric around
    it and has the half-width z * sqrt(1 / (a + 1/2) - 1 / (A + 1) + 1 / (b + 1/2) - 1 / (B + 1)) / ln 2, z being the
    normal distribution's quantile: the delta method on the logarithm of a ratio of two proportions (Katz, Baptista,
    Azen and Pike, Biometrics 34, 1978), with the same halves. It takes tokens for independent, which neighbours aren't.
    """
    log_a, variance_a = _log_density(count_a, tokens_a)
    log_b, variance_b = _log_density(count_b, tokens_b)
    value = (log_b - log_a) / math.log(2)
    half_width = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * np.sqrt(variance_a + variance_b) / math.log(2)
    return LogRatios(value, value - half_width, value + half_width)


def _log_density(count: Ints, tokens: int) -> tuple[Floats, Floats]:
    """The natural logarithm of a density, with the halves, and its variance."""
    more = count + 0.5
    return np.log(more / (tokens + 1)), 1 / more - 1 / (tokens + 1)
