"""Summary: the statistics and examples of all features over a part of a dataset, and how summaries merge.

A summary holds for each feature: sums over the counted tokens and over texts, a sparse histogram, counts by position,
and the chosen examples. Summaries of consecutive parts merge into the summary of the whole. This is exact, except that
float64 sums are rounded, which depends on the order. That is why runs merge in chunk order.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.summaries.example_arrays import Examples
from sparse_autoencoder.summaries.example_order import (
    Order,
    ShortKeys,
    SmallestDraw,
    SmallestDrawOfTexts,
    StrongestFirst,
)
from sparse_autoencoder.summaries.feature_metrics import Totals
from sparse_autoencoder.summaries.position_counts import PositionCounts
from sparse_autoencoder.summaries.reconstruction_sums import ReconstructionSums
from sparse_autoencoder.summaries.strength_bands import BANDS, EXAMPLES_PER_BAND
from sparse_autoencoder.summaries.text_sums import TextSums
from sparse_autoencoder.utils.numpy_array_ops import Ints, group_starts

HISTOGRAM_BIN_WIDTH = 0.2
TOP_ORDER: Order = StrongestFirst()
RANDOM_ORDER: Order = SmallestDraw()
BAND_ORDER: Order = SmallestDrawOfTexts()


@dataclass(frozen=True)
class SummarySpec:
    """The settings that two summaries must share to be merged."""

    n_features: int
    examples_per_feature: int
    seed: int


@dataclass(frozen=True)
class CutoffKeys:
    """Each feature's cutoffs: the last sort keys of its full example lists, or the largest key if a list isn't full."""

    top: ShortKeys  # [features]
    random: ShortKeys  # [features]
    bands: ShortKeys  # [features * BANDS]


@dataclass(frozen=True)
class Summary:
    """The statistics and examples of all features over some part of a dataset."""

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
    bands: Examples  # whose `feature` is feature * BANDS + band (strength_bands.py)
    positions: PositionCounts
    text_sums: TextSums
    reconstructions: ReconstructionSums = field(default_factory=ReconstructionSums.empty)

    @classmethod
    def empty(cls, spec: SummarySpec) -> Summary:
        """The summary of no tokens; merging with it changes nothing."""
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
            bands=Examples.empty(),
            positions=PositionCounts.empty(spec.n_features),
            text_sums=TextSums.empty(spec.n_features),
            reconstructions=ReconstructionSums.empty(),
        )

    def merge(self, later: Summary) -> Summary:
        """The summary of this part and a later one; SaescopeError if their specs differ."""
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
            bands=BAND_ORDER.merge(self.bands, later.bands, EXAMPLES_PER_BAND),
            positions=self.positions.merge(later.positions),
            text_sums=self.text_sums.merge(later.text_sums),
            reconstructions=self.reconstructions.merge(later.reconstructions),
        )

    def cutoff_keys(self) -> CutoffKeys:
        """The cutoffs that later examples must reach to be chosen."""
        size = self.spec.n_features, self.spec.examples_per_feature
        return CutoffKeys(
            TOP_ORDER.cutoff_keys(self.top, *size),
            RANDOM_ORDER.cutoff_keys(self.random, *size),
            BAND_ORDER.cutoff_keys(self.bands, self.spec.n_features * BANDS, EXAMPLES_PER_BAND),
        )

    def reaching(self, cutoffs: CutoffKeys) -> Summary:
        """This summary without the examples beyond an earlier part's cutoffs."""
        return replace(
            self,
            top=TOP_ORDER.reaching(self.top, cutoffs.top),
            random=RANDOM_ORDER.reaching(self.random, cutoffs.random),
            bands=BAND_ORDER.reaching(self.bands, cutoffs.bands),
        )

    def totals(self) -> Totals:
        """The sums, for computing metrics."""
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
    order = np.argsort(key, kind="stable")  # linear, as the input is two sorted lists
    starts = group_starts(key[order])
    return key[order][starts], np.add.reduceat(count[order], starts) if len(starts) else count
