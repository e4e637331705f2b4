"""Summary: everything about every feature that a part of a dataset contributes, and how summaries merge.

A summary holds, for each feature, sums over the counted tokens, a sparse histogram and its chosen examples. Summaries
of consecutive parts of a dataset merge into the summary of the whole: exactly, but for the rounding of the float64
sums, which depends on the order; that is why runs merge in chunk order. This file is numpy only and knows nothing of
models, tokens' texts or files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.summaries.example_order import Order, ShortKeys, SmallestDraw, StrongestFirst
from sparse_autoencoder.summaries.examples import Examples
from sparse_autoencoder.summaries.metrics import Totals
from sparse_autoencoder.utils.arrays import Ints, group_starts

HISTOGRAM_BIN_WIDTH = 0.2
TOP_ORDER: Order = StrongestFirst()
RANDOM_ORDER: Order = SmallestDraw()


@dataclass(frozen=True)
class SummarySpec:
    """What two summaries must agree on to be merged."""

    n_features: int
    examples_per_feature: int
    seed: int


@dataclass(frozen=True)
class LastKeys:
    """Per feature the key of the last of its examples, or the largest key where the list isn't full."""

    top: ShortKeys  # [features]
    random: ShortKeys  # [features]


@dataclass(frozen=True)
class Summary:
    """Everything about every feature that some part of a dataset contributes."""

    spec: SummarySpec
    num_tokens: int  # counted tokens
    count: Ints  # [features], tokens with activation > 0
    sum1: NDArray[np.float64]  # [features], sum of a
    sum2: NDArray[np.float64]  # [features], sum of a^2
    sum3: NDArray[np.float64]  # [features], sum of a^3
    sum4: NDArray[np.float64]  # [features], sum of a^4
    maximum: NDArray[np.float32]  # [features], 0 where the feature never fired
    histogram_key: Ints  # [bins in use], feature << 32 | bin, ascending
    histogram_count: Ints  # [bins in use]
    top: Examples
    random: Examples

    @classmethod
    def empty(cls, spec: SummarySpec) -> Summary:
        """The summary of no tokens, which merging leaves unchanged."""
        sums = {name: np.zeros(spec.n_features) for name in ("sum1", "sum2", "sum3", "sum4")}
        none = np.zeros(0, np.int64)
        return cls(
            spec,
            num_tokens=0,
            count=np.zeros(spec.n_features, np.int64),
            **sums,
            maximum=np.zeros(spec.n_features, np.float32),
            histogram_key=none,
            histogram_count=none,
            top=Examples.empty(),
            random=Examples.empty(),
        )

    def merge(self, later: Summary) -> Summary:
        """The summary of this part and a later one together; SaescopeError if their specs differ."""
        if self.spec != later.spec:
            raise SaescopeError(f"summaries of different settings can't be merged: {self.spec} and {later.spec}")
        if not self.num_tokens or not later.num_tokens:  # nothing to merge with
            return later if not self.num_tokens else self
        keep = self.spec.examples_per_feature
        key, count = _add_histograms(self, later)
        return Summary(
            self.spec,
            num_tokens=self.num_tokens + later.num_tokens,
            count=self.count + later.count,
            sum1=self.sum1 + later.sum1,
            sum2=self.sum2 + later.sum2,
            sum3=self.sum3 + later.sum3,
            sum4=self.sum4 + later.sum4,
            maximum=np.maximum(self.maximum, later.maximum),
            histogram_key=key,
            histogram_count=count,
            top=TOP_ORDER.merge(self.top, later.top, keep),
            random=RANDOM_ORDER.merge(self.random, later.random, keep),
        )

    def last_keys(self) -> LastKeys:
        """What later examples must reach to be chosen."""
        size = self.spec.n_features, self.spec.examples_per_feature
        return LastKeys(TOP_ORDER.last_keys(self.top, *size), RANDOM_ORDER.last_keys(self.random, *size))

    def reaching(self, last_keys: LastKeys) -> Summary:
        """This summary without the examples that are beyond the last keys of an earlier part."""
        return replace(
            self,
            top=TOP_ORDER.reaching(self.top, last_keys.top),
            random=RANDOM_ORDER.reaching(self.random, last_keys.random),
        )

    def totals(self) -> Totals:
        """The sums in the form that metrics are computed from."""
        return Totals(
            self.num_tokens,
            self.count.astype(np.float64),
            self.sum1,
            self.sum2,
            self.sum3,
            self.sum4,
            self.maximum.astype(np.float64),
        )


def _add_histograms(earlier: Summary, later: Summary) -> tuple[Ints, Ints]:
    key = np.concatenate([earlier.histogram_key, later.histogram_key])
    count = np.concatenate([earlier.histogram_count, later.histogram_count])
    order = np.argsort(key, kind="stable")  # two sorted runs: a linear merge
    starts = group_starts(key[order])
    return key[order][starts], np.add.reduceat(count[order], starts) if len(starts) else count
