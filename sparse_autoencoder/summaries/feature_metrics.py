"""The metrics by which features are ranked.

To add a metric, add one entry to FEATURE_METRICS: the run's files, the API and the viewer follow.
Metrics are over all counted tokens, including those with activation 0 ("0-centred"), unless their description says
otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Totals:
    """The input of metrics: sums over the counted tokens, for each feature, and the number of counted tokens."""

    num_tokens: int
    count: Floats  # [features], tokens with activation > 0
    sum1: Floats  # [features], sum of a
    sum2: Floats  # [features], sum of a^2
    sum3: Floats  # [features], sum of a^3
    sum4: Floats  # [features], sum of a^4
    maximum: Floats  # [features], largest a, 0 if the feature never fired

    def mean(self, total: Floats) -> Floats:
        """A sum divided by the number of counted tokens."""
        return total / self.num_tokens if self.num_tokens else np.zeros_like(total)


@dataclass(frozen=True)
class FeatureMetric:
    """A number per feature: its name in files and URLs, a sentence for users, and how to compute it."""

    name: str
    description: str
    compute: Callable[[Totals], Floats]


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    # 0/0, for a feature that never fired, gives 0.
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def _std(totals: Totals) -> Floats:
    # Rounding may give a tiny negative variance.
    return np.sqrt(np.maximum(totals.mean(totals.sum2) - totals.mean(totals.sum1) ** 2, 0.0))


def _to_the_1_5(numbers: Floats) -> Floats:
    # IEEE 754 defines these two operations exactly; numpy's power rounds differently with and without AVX-512
    return numbers * np.sqrt(numbers)


FEATURE_METRICS: list[FeatureMetric] = [
    FeatureMetric("mean_activation", "Mean activation over all tokens.", lambda t: t.mean(t.sum1)),
    FeatureMetric("max_activation", "Largest activation at any token.", lambda t: t.maximum),
    FeatureMetric("fraction_active", "Share of tokens with activation > 0 (density).", lambda t: t.mean(t.count)),
    FeatureMetric(
        "mean_when_active",
        "Mean activation over the tokens where the feature is active.",
        lambda t: _ratio(t.sum1, t.count),
    ),
    FeatureMetric("std", "Standard deviation of the activation over all tokens.", _std),
    FeatureMetric(
        "skew",
        "0-centred skew, E[a^3] / E[a^2]^1.5: high for rare, strong activations.",
        lambda t: _ratio(t.mean(t.sum3), _to_the_1_5(t.mean(t.sum2))),
    ),
    FeatureMetric(
        "kurtosis",
        "0-centred kurtosis, E[a^4] / E[a^2]^2: how heavy the tail of strong activations is.",
        lambda t: _ratio(t.mean(t.sum4), t.mean(t.sum2) ** 2),
    ),
]
