"""The summary of a part of a block, whose sums are not rounded yet.

If memory is short, a block is summarised in parts. Their sums are added exactly, and rounded once at the end of the
block. So the block's summary is the same bits however it was split.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sparse_autoencoder.summaries.exact_sums import POWERS, PowerParts, added, rounded_sums
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec
from sparse_autoencoder.summaries.position_counts import PositionCounts, counted_tokens
from sparse_autoencoder.tokens.windows import Windows


@dataclass(frozen=True)
class UnroundedSummary:
    """The summary of a part of a block, or of a whole one; those with the scale of the same block can be merged."""

    summary: Summary  # with all sums 0
    sums: PowerParts  # [features] each

    @classmethod
    def empty(cls, spec: SummarySpec, block: Windows) -> UnroundedSummary:
        """The summary of windows without activations."""
        nothing = np.zeros(spec.n_features)
        none = Summary.empty(spec)
        positions = PositionCounts.of_places(counted_tokens(block), none.positions.count)
        summary = replace(none, num_tokens=int(block.counted_lengths.sum()), positions=positions)
        return cls(summary, [(nothing, nothing) for _power in POWERS])

    def merge(self, later: UnroundedSummary) -> UnroundedSummary:
        """The summary of this part and the next one."""
        return UnroundedSummary(self.summary.merge(later.summary), added(self.sums, later.sums))

    def rounded(self) -> Summary:
        """Round the sums: the summary of a whole block."""
        sum1, sum2, sum3, sum4 = rounded_sums(self.sums, self.summary.maximum)
        return replace(self.summary, sum1=sum1, sum2=sum2, sum3=sum3, sum4=sum4)
