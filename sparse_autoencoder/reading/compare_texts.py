"""Compares how often features fire in two sets of texts, with the text as the unit of observation.

Firings within a text, and in rows that repeat it, belong together. So variances are those of whole texts: the
cluster-robust variance of a ratio of two sums (Cochran, Sampling Techniques, 1977, section 6.3; for corpora Lijffijt et
al., Literary and Linguistic Computing 31, 2016). Of each set, summaries/text_sums.py has what is needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.summaries.text_sums import TextSums
from sparse_autoencoder.utils.numpy_array_ops import Ints, Mask

CONFIDENCE = 0.95
FOUND_RATE = 0.05
PRIOR_TOKENS = 1000
LEAST_TEXTS = 10  # in which a feature must fire, in both sets together, for its difference to be tested

Floats = NDArray[np.float64]
_erfc = np.vectorize(math.erfc, otypes=[np.float64])


@dataclass(frozen=True)
class TextSet:
    """A set of texts: how often each feature fires in it, and how unevenly."""

    num_texts: int
    num_tokens: int
    squared_tokens: int
    count: Ints  # [features]
    texts: Ints  # [features]
    squares: Ints  # [features]
    products: Ints  # [features]

    @classmethod
    def of(cls, sums: TextSums, group: int) -> TextSet:
        """One group of texts."""
        return cls(
            int(sums.num_texts[group]),
            int(sums.num_tokens[group]),
            int(sums.squared_tokens[group]),
            sums.count[group],
            sums.texts[group],
            sums.squares[group],
            sums.products[group],
        )

    def variance(self, density: Floats) -> Floats:
        """The variance of the number of firings [features], if a feature fires with this density: sum (c - R t)^2."""
        residuals = self.squares - 2 * density * self.products + density**2 * self.squared_tokens
        small_sample = self.num_texts / max(self.num_texts - 1, 1)
        return np.maximum(residuals, 0) * small_sample


@dataclass(frozen=True)
class TextComparison:
    """How features differ between a and b, [features] each."""

    log_ratio: Floats  # log2(density in b / density in a)
    low: Floats  # the ends of its confidence interval
    high: Floats
    p: Floats  # of the hypothesis that densities are equal; 1 for features that aren't tested
    q: Floats  # the smallest false discovery rate at which a feature is among the discoveries
    tested: Mask
    log_odds: Floats  # log2 of the ratio of b's odds to a's, drawn to 0 by a prior: see _prior_log_odds
    log_odds_z: Floats  # the same by its standard deviation

    @property
    def certain(self) -> Floats:
        """The confidence interval's distance from 0, the smallest plausible difference; 0 if 0 is in the interval."""
        return np.maximum(0.0, np.maximum(self.low, -self.high))

    @property
    def found(self) -> Mask:
        """The features that differ at a false discovery rate of FOUND_RATE."""
        return self.q <= FOUND_RATE

    @property
    def num_found(self) -> int:
        """How many features differ."""
        return int(self.found.sum())


def compare_texts(a: TextSet, b: TextSet) -> TextComparison:
    """Compare two sets of different texts.

    The log ratio and its interval add half a firing and half a silent token to each set, as log_ratios does. A set's
    relative variance is that of its own texts, and at least that of independent tokens times the design effect of both
    sets together, as a set in which a feature fires in few texts says little of how unevenly it does.

    p is the largest that three statistics give: the log ratio's, and the two of `_Pooled.squares`. Each is too small in
    some corner (few firings, or sets of very different sizes) where another isn't; docs/lab-notes.md has what each
    finds where there is nothing. q is Benjamini and Hochberg's (1995) over the features that fire in at least
    LEAST_TEXTS texts, a choice that doesn't depend on the difference.
    """
    pooled = _Pooled.of(a, b)
    log_a, variance_a = _log_density(a, pooled)
    log_b, variance_b = _log_density(b, pooled)
    log_ratio = log_b - log_a
    deviation = np.sqrt(variance_a + variance_b)
    tested = a.texts + b.texts >= LEAST_TEXTS
    squares = np.minimum(pooled.squares(a, b), (log_ratio / deviation) ** 2)
    p = np.where(tested, _erfc(np.sqrt(squares / 2)), 1.0)
    q = np.ones_like(p)
    q[tested] = false_discovery_rates(p[tested])
    half_width = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * deviation
    low, high = log_ratio - half_width, log_ratio + half_width
    log_odds = _prior_log_odds(a, b, pooled)
    value, low, high = (ends / math.log(2) for ends in (log_ratio, low, high))
    return TextComparison(value, low, high, p, q, tested, *log_odds)


def false_discovery_rates(p: Floats) -> Floats:
    """Benjamini and Hochberg's q for each p."""
    order = np.argsort(p, kind="stable")
    of_rank = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.empty_like(p)
    q[order] = np.minimum(np.minimum.accumulate(of_rank[::-1])[::-1], 1.0)
    return q


def _log_density(texts: TextSet, pooled: _Pooled) -> tuple[Floats, Floats]:
    """The natural logarithm of each feature's density, with the added halves, and its variance."""
    more = texts.count + 0.5
    density = more / (texts.num_tokens + 1)
    independent = 1 / more - 1 / (texts.num_tokens + 1)
    return np.log(density), np.maximum(texts.variance(density) / more**2, independent * pooled.design_effect)


@dataclass(frozen=True)
class _Pooled:
    """What both sets together say of each feature, if it fires with the same density in both."""

    total: Floats  # firings
    share: float  # b's share of all tokens
    variance: Floats  # of the firings in b, less `share` of all firings
    design_effect: Floats  # the factor by which this exceeds the variance of independent tokens; at least 1

    @classmethod
    def of(cls, a: TextSet, b: TextSet) -> _Pooled:
        total = (a.count + b.count).astype(np.float64)
        num_tokens = max(a.num_tokens + b.num_tokens, 1)
        share = b.num_tokens / num_tokens
        density = total / num_tokens
        independent = np.maximum(total * share * (1 - share), np.finfo(np.float64).tiny)
        of_texts = share**2 * a.variance(density) + (1 - share) ** 2 * b.variance(density)
        variance = np.maximum(of_texts, independent)
        return cls(total, share, variance, variance / independent)

    def squares(self, a: TextSet, b: TextSet) -> Floats:
        """The smaller of two statistics, both chi-squared with one degree of freedom.

        The score is too large for few firings and a share far from a half; the binomial likelihood ratio, by the
        design effect, for few firings and a share near a half.
        """
        expected_b = self.share * self.total
        score = (b.count - expected_b) ** 2 / self.variance
        ratio = 2 * (_deviance(b.count, expected_b) + _deviance(a.count, self.total - expected_b))
        return np.maximum(np.minimum(score, ratio / self.design_effect), 0)


def _prior_log_odds(a: TextSet, b: TextSet, pooled: _Pooled) -> tuple[Floats, Floats]:
    """The log odds ratio (base 2) with an informative prior, and the same by its standard deviation.

    Each set gets PRIOR_TOKENS more tokens in which the feature fires as often as in both sets together. So features
    that fired a few times in one set, and in the other never, don't come first (Monroe, Colaresi and Quinn, Political
    Analysis 16, 2008). The variance is that of independent tokens, times the design effect.
    """
    num_tokens = max(a.num_tokens + b.num_tokens, 1)
    prior = np.maximum(PRIOR_TOKENS * pooled.total / num_tokens, np.finfo(np.float64).tiny)
    of_sets = []
    variance = np.zeros_like(prior)
    for texts in (a, b):
        firing = texts.count + prior
        of_sets.append(np.log(firing) - np.log(np.maximum(texts.num_tokens + PRIOR_TOKENS - firing, 0.5)))
        variance += 1 / firing
    difference = of_sets[1] - of_sets[0]
    return difference / math.log(2), difference / np.sqrt(variance * pooled.design_effect)


def _deviance(count: Ints, expected: Floats) -> Floats:
    """count * ln(count / expected), 0 for a count of 0."""
    found = np.maximum(count, 1)
    return np.where(count > 0, found * np.log(found / np.where(count > 0, expected, 1.0)), 0.0)
