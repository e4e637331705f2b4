"""Which features fire at the same tokens as a given one: counted from what the run keeps when somebody asks.

Nothing is sampled. A run of a million tokens takes about a second. If it takes too long, the numbers are those of the
first chunks, of all features alike, and say so.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from sparse_autoencoder.reading.kept_firings import KeptFirings
from sparse_autoencoder.runs.firings_file import Firings
from sparse_autoencoder.utils.numpy_array_ops import Ints, Mask

MOST_S = 20.0
_KEPT = 16  # features whose counts stay in memory; 1 MB each for 131,072 features


@dataclass(frozen=True)
class Together:
    """How often each feature fires with a given one, over the tokens of some chunks."""

    feature: int
    together: Ints  # [features], tokens at which both fire
    count: Ints  # [features], tokens at which each fires
    num_tokens: int
    num_chunks: int  # that were counted
    of_chunks: int  # that there are

    @property
    def own(self) -> int:
        """Tokens at which the feature itself fires."""
        return int(self.count[self.feature])

    def jaccard(self) -> NDArray[np.float64]:
        """Tokens at which both fire, by those at which one does."""
        found: NDArray[np.float64] = self.together / np.maximum(self.own + self.count - self.together, 1)
        return found

    def lift(self) -> NDArray[np.float64]:
        """How many times as often both fire as they would if they had nothing to do with each other."""
        expected = self.own * self.count.astype(np.float64) / max(self.num_tokens, 1)
        return np.divide(self.together, expected, out=np.zeros(len(self.count)), where=expected > 0)

    def precision(self) -> NDArray[np.float64]:
        """The share of the feature's tokens at which the other one fires too."""
        return self.together / max(self.own, 1)

    def recall(self) -> NDArray[np.float64]:
        """The share of the other one's tokens at which the feature fires too."""
        return self.together / np.maximum(self.count, 1)

    def supported(self, least: int) -> Ints:
        """Ids of the other features that fire with it at so many tokens, at least."""
        listed: Mask = self.together >= max(least, 1)
        listed[self.feature] = False
        return np.flatnonzero(listed)


class FiringsFiles:
    """A run's firings. Several threads may use it; one of them counts at a time."""

    def __init__(
        self,
        kept: KeptFirings,
        chunks: Sequence[int],
        num_features: int,
        most_s: float = MOST_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kept_firings = kept
        self._chunks = chunks
        self._num_features = num_features
        self._most_s = most_s
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: LRUCache[int, Together] = LRUCache(_KEPT)

    def together(self, feature: int) -> Together:
        """How often each feature fires with this one; SaescopeError if a file is missing or damaged."""
        with self._lock:
            if feature not in self._kept:
                self._kept[feature] = self._counted(feature)
            return self._kept[feature]

    def _counted(self, feature: int) -> Together:
        begin, num_tokens, num_chunks = self._clock(), 0, 0
        together, count = np.zeros((2, self._num_features), np.int64)
        for chunk in self._chunks:
            if num_chunks and self._clock() - begin > self._most_s:
                break
            with self._kept_firings.of_chunk(chunk) as (tokens, pieces):
                num_tokens += tokens
                for firings in pieces:
                    self._add(firings, feature, together, count)
            num_chunks += 1
        return Together(feature, together, count, num_tokens, num_chunks, len(self._chunks))

    def _add(self, firings: Firings, feature: int, together: Ints, count: Ints) -> None:
        count += np.bincount(firings.features, minlength=self._num_features)
        token = np.repeat(np.arange(len(firings.counts)), firings.counts)
        fires = np.zeros(len(firings.counts), bool)
        fires[token[firings.features == feature]] = True
        together += np.bincount(firings.features[fires[token]], minlength=self._num_features)
