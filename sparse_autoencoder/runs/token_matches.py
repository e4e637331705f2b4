"""How features fire on the tokens that somebody searches for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.utils.numpy_array_ops import Ints, Mask


@dataclass(frozen=True)
class TokenCounts:
    """How often features fire on some tokens, in the chunks that were read; only features that do, by ascending id."""

    feature: NDArray[np.int32]  # [features that fire on them]
    count: Ints  # firings on these tokens
    maximum: NDArray[np.float32]  # of the activations there
    occurrences: int  # of the tokens
    chunks: int  # the chunks that these numbers are of
    of: int  # the chunks that there are


@dataclass(frozen=True)
class TokenMatches:
    """The features that a search for tokens lists."""

    listed: Mask  # [features]
    counts: TokenCounts | None  # None for a run without token tables

    def shares(self, firings: Ints) -> tuple[NDArray[np.float64], Ints]:
        """Each feature's share of firings on the tokens, and how many these are; `firings` are all of it [features]."""
        count = np.zeros(len(firings), np.int64)
        if self.counts is not None:
            count[self.counts.feature] = self.counts.count
        return count / np.maximum(firings, 1), count
