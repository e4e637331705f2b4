"""The two orders by which examples are chosen, with their tie-breaks: the strongest, and the smallest random draws."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.summaries.examples import Examples
from sparse_autoencoder.utils.arrays import GOLDEN, Ints, Keys, group_starts, is_repeated, matches, mix, rank_in_group

ShortKeys = NDArray[np.uint32]


class Order(ABC):
    """One of the two ways in which a feature's examples are ranked and chosen."""

    @abstractmethod
    def key(self, examples: Examples) -> ShortKeys:
        """What examples of a feature are ranked by, smallest first; where it ties, `tie_keys` decide."""

    def tie_keys(self, examples: Examples) -> list[NDArray[Any]]:
        """What decides between equal keys, the most important first."""
        return [examples.row_id, examples.window, examples.position]

    def choose(self, candidates: Examples, ranked: Ints, n_chosen: int) -> Ints:
        """Those of the candidates at `ranked`, in order of rank, that may be chosen beside the ones before them.

        The first `n_chosen` candidates were chosen together before, and so were the others.
        """
        return ranked

    def merge(self, earlier: Examples, later: Examples, per_feature: int) -> Examples:
        """The first `per_feature` examples of each feature among both, where both were chosen in the same way.

        Of `later` only what reaches the last rank of a full list is looked at: once a run is under way that is little.
        """
        n_features = 1 + int(max(earlier.feature.max(initial=0), later.feature.max(initial=0)))
        entering = self.reaching(later, self.last_keys(earlier, n_features, per_feature))
        both = Examples.concatenate([earlier, entering])
        ranked = self._rank(both, np.concatenate([self.key(earlier), self.key(entering)]))
        ranked = self.choose(both, ranked, len(earlier))
        rank = rank_in_group(group_starts(both.feature[ranked]), len(ranked))
        return both.take(ranked[rank < per_feature])

    def last_keys(self, chosen: Examples, n_features: int, per_feature: int) -> ShortKeys:
        """Per feature the key of the last of its chosen examples, [n_features]; the largest if that list isn't full."""
        starts = group_starts(chosen.feature)
        full = starts[np.diff(starts, append=len(chosen)) == per_feature]
        last = np.full(n_features, np.iinfo(np.uint32).max, np.uint32)
        last[chosen.feature[full]] = self.key(chosen)[full + per_feature - 1]
        return last

    def reaching(self, examples: Examples, last_keys: ShortKeys) -> Examples:
        """The examples that are not beyond their feature's last key. Equal keys stay: what decides then isn't here."""
        return examples.take(self.key(examples) <= last_keys[examples.feature])

    def _rank(self, examples: Examples, key: ShortKeys) -> Ints:
        """Indices of the examples, sorted by feature and then by rank; `key` holds their keys."""
        packed = (examples.feature.astype(np.uint64) << np.uint64(32)) | key
        ranked = np.argsort(packed, kind="stable")  # two sorted lists one after the other: a linear merge
        same = packed[ranked[1:]] == packed[ranked[:-1]]
        tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
        if len(tied):  # few, so that comparing everything costs little
            subset = ranked[tied]
            columns = [packed, *self.tie_keys(examples)]
            ranked[tied] = subset[np.lexsort([column[subset] for column in reversed(columns)])]
        return ranked


class StrongestFirst(Order):
    """By activation, strongest first, one example per text."""

    def key(self, examples: Examples) -> ShortKeys:
        """See Order.key."""
        return weakness(examples.value)

    def choose(self, candidates: Examples, ranked: Ints, n_chosen: int) -> Ints:
        """See Order.choose."""
        feature, text = candidates.feature[ranked], candidates.text[ranked]
        # What was chosen together has no text twice: a repeat is one of either. Texts are hashes already.
        suspects = matches(text ^ (feature.astype(np.uint64) * GOLDEN), ranked >= n_chosen)
        return np.delete(ranked, suspects[is_repeated(feature[suspects], text[suspects])])


class SmallestDraw(Order):
    """By draw: a uniform sample of a feature's positive activations."""

    def key(self, examples: Examples) -> ShortKeys:
        """See Order.key: the higher half of the draw, which rarely ties."""
        return (examples.draw >> np.uint64(32)).astype(np.uint32)

    def tie_keys(self, examples: Examples) -> list[NDArray[Any]]:
        """See Order.tie_keys."""
        return [examples.draw, *super().tie_keys(examples)]


def weakness(value: NDArray[np.float32]) -> ShortKeys:
    """31-bit keys that sort positive float32 activations strongest first."""
    # A positive float's bits, read as an integer, sort like the float.
    return np.uint32(0x7FFFFFFF) - value.view(np.uint32)


def token_draws(seed: int, row_id: Ints, window: NDArray[np.int32], position: Ints) -> Keys:
    """A hash per token of (seed, row, window, position), all inputs [tokens]."""
    slot = (window.astype(np.uint64) << np.uint64(32)) | position.astype(np.uint64)
    return mix(mix(mix(np.full(len(row_id), seed, np.uint64)) ^ row_id.astype(np.uint64)) ^ slot)


def activation_draws(token_draw: Keys, feature: Keys) -> Keys:
    """The random order of activations: a hash of each token's draw and the feature, both [activations]."""
    return mix(token_draw ^ (feature * GOLDEN))
