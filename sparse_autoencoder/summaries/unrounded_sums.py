"""What a part of a block contributes to the block's summary: a summary whose sums nothing has rounded yet.

Where memory is short a block is summarised in parts. Their sums are added exactly and rounded once, at the end of the
block, so that the block's summary is the same bits however it was cut. This file is numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sparse_autoencoder.summaries.exact_sums import POWERS, PowerParts, added, rounded_sums
from sparse_autoencoder.summaries.summary import Summary, SummarySpec


@dataclass(frozen=True)
class Unrounded:
    """A part's contribution; parts of one block, on the block's scale, can be merged."""

    summary: Summary  # but for its sums, which are 0
    sums: PowerParts  # [features]

    @classmethod
    def empty(cls, spec: SummarySpec, num_tokens: int) -> Unrounded:
        """The contribution of tokens at which nothing is active."""
        nothing = np.zeros(spec.n_features)
        return cls(replace(Summary.empty(spec), num_tokens=num_tokens), [(nothing, nothing) for _power in POWERS])

    def merge(self, later: Unrounded) -> Unrounded:
        """The contribution of this part and the one after it together."""
        return Unrounded(self.summary.merge(later.summary), added(self.sums, later.sums))

    def rounded(self) -> Summary:
        """The summary of a whole block."""
        sum1, sum2, sum3, sum4 = rounded_sums(self.sums, self.summary.maximum)
        return replace(self.summary, sum1=sum1, sum2=sum2, sum3=sum3, sum4=sum4)
