"""The ways to choose examples, and how ties are broken: the largest activations, and reservoir samples.

A reservoir sample takes the activations with the smallest random keys ("draws").
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.summaries.example_arrays import Examples
from sparse_autoencoder.utils.numpy_array_ops import (
    GOLDEN,
    Ints,
    Keys,
    group_starts,
    is_repeated,
    matches,
    mix,
    rank_in_group,
)

ShortKeys = NDArray[np.uint32]


class Order(ABC):
    """A way to rank and choose a feature's examples."""

    @abstractmethod
    def key(self, examples: Examples) -> ShortKeys:
        """The sort keys of examples; the smallest comes first, and `tie_keys` decide between equal ones."""

    def tie_keys(self, examples: Examples) -> list[NDArray[Any]]:
        """Further sort keys for examples with equal keys, the most important first."""
        return [examples.row_id, examples.window, examples.position]

    def choose(self, candidates: Examples, ranked: Ints, n_chosen: int) -> Ints:
        """Remove candidates that must not be chosen besides those ranked before them; `ranked` are indices by rank.

        The candidates are two lists, each chosen by this order before: the first `n_chosen` ones, and the others.
        """
        return ranked

    def merge(self, earlier: Examples, later: Examples, per_feature: int) -> Examples:
        """The first `per_feature` examples of each feature from both lists, each of which was chosen by this order.

        Examples in `later` beyond the cutoff of a full list are dropped first. After the first chunks that is most of
        them.
        """
        n_features = 1 + int(max(earlier.feature.max(initial=0), later.feature.max(initial=0)))
        entering = self.reaching(later, self.cutoff_keys(earlier, n_features, per_feature))
        both = Examples.concatenate([earlier, entering])
        ranked = self._rank(both, np.concatenate([self.key(earlier), self.key(entering)]))
        ranked = self.choose(both, ranked, len(earlier))
        rank = rank_in_group(group_starts(both.feature[ranked]), len(ranked))
        return both.take(ranked[rank < per_feature])

    def cutoff_keys(self, chosen: Examples, n_features: int, per_feature: int) -> ShortKeys:
        """Each feature's cutoff [n_features]: the last key of its full list; the largest key if the list isn't full."""
        starts = group_starts(chosen.feature)
        full = starts[np.diff(starts, append=len(chosen)) == per_feature]
        last = np.full(n_features, np.iinfo(np.uint32).max, np.uint32)
        last[chosen.feature[full]] = self.key(chosen)[full + per_feature - 1]
        return last

    def reaching(self, examples: Examples, cutoff_keys: ShortKeys) -> Examples:
        """The examples that are not beyond their feature's cutoff. Equal keys stay: `tie_keys` decide between them."""
        return examples.take(self.key(examples) <= cutoff_keys[examples.feature])

    def _rank(self, examples: Examples, key: ShortKeys) -> Ints:
        """Indices that sort examples by feature and rank; `key` holds their sort keys."""
        packed = (examples.feature.astype(np.uint64) << np.uint64(32)) | key
        ranked = np.argsort(packed, kind="stable")  # linear, as the input is two sorted lists, one after the other
        same = packed[ranked[1:]] == packed[ranked[:-1]]
        tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
        if len(tied):  # ties are rare, so comparing all keys of these is cheap
            subset = ranked[tied]
            columns = [packed, *self.tie_keys(examples)]
            ranked[tied] = subset[np.lexsort([column[subset] for column in reversed(columns)])]
        return ranked


class StrongestFirst(Order):
    """By activation, the strongest first; of windows with the same tokens only one is chosen."""

    def key(self, examples: Examples) -> ShortKeys:
        """See Order.key."""
        return descending_key(examples.value)

    def choose(self, candidates: Examples, ranked: Ints, n_chosen: int) -> Ints:
        """See Order.choose."""
        return _without_repeated_texts(candidates, ranked, n_chosen)


class SmallestDraw(Order):
    """By draw, the smallest first: a uniform random sample of a feature's positive activations."""

    def key(self, examples: Examples) -> ShortKeys:
        """See Order.key; it is the upper half of the draw, which is rarely equal for two examples."""
        return (examples.draw >> np.uint64(32)).astype(np.uint32)

    def tie_keys(self, examples: Examples) -> list[NDArray[Any]]:
        """See Order.tie_keys."""
        return [examples.draw, *super().tie_keys(examples)]


class SmallestDrawOfTexts(SmallestDraw):
    """By draw, the smallest first; of windows with the same tokens only one is chosen."""

    def choose(self, candidates: Examples, ranked: Ints, n_chosen: int) -> Ints:
        """See Order.choose."""
        return _without_repeated_texts(candidates, ranked, n_chosen)


def _without_repeated_texts(candidates: Examples, ranked: Ints, n_chosen: int) -> Ints:
    """`Order.choose` where a feature's examples must be of windows with different tokens."""
    feature, token_hash = candidates.feature[ranked], candidates.token_hash[ranked]
    # Within one list no tokens occur twice, so a repeat always involves both lists.
    suspects = matches(token_hash ^ (feature.astype(np.uint64) * GOLDEN), ranked >= n_chosen)
    return np.delete(ranked, suspects[is_repeated(feature[suspects], token_hash[suspects])])


def descending_key(value: NDArray[np.float32]) -> ShortKeys:
    """31-bit keys of positive float32 values; ascending keys are descending values."""
    # The bits of positive floats, read as integers, have the same order as the floats.
    return np.uint32(0x7FFFFFFF) - value.view(np.uint32)


def token_draws(seed: int, row_id: Ints, window: NDArray[np.int32], position: Ints) -> Keys:
    """A hash of (seed, row, window, position) for each token; all inputs are [tokens]."""
    slot = (window.astype(np.uint64) << np.uint64(32)) | position.astype(np.uint64)
    return mix(mix(mix(np.full(len(row_id), seed, np.uint64)) ^ row_id.astype(np.uint64)) ^ slot)


def activation_draws(token_draw: Keys, feature: Keys) -> Keys:
    """Each activation's draw, its random sort key: a hash of its token's draw and its feature; all [activations]."""
    return mix(token_draw ^ (feature * GOLDEN))
