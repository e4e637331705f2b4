"""Which tokens a feature fires on: an exact table of (token, feature) pairs, sorted, that merges in any order.

An entry has the number of counted tokens with this token id at which the feature fires, and the sum and the maximum of
its activations there. The pair (token, OCCURRENCES) counts how often the token occurs at all. Counts and sums are
integers and maxima don't depend on the order, so any partition of a dataset, merged in any order, gives the same bits.

Sums are in steps of 2^-20: each activation is rounded to a whole number of steps. A sum that would reach LARGEST_SUM
stays there (so does a single activation of 2^42 or more), whatever the order, since all activations are positive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.tokens.windows import Windows
from sparse_autoencoder.utils.numpy_array_ops import Ints, bits_for, group_starts, stable_argsort

OCCURRENCES = -1
"""In the place of a feature: the token itself, with its occurrences at counted positions as the count."""

STEPS_PER_UNIT = 1 << 20
LARGEST_SUM = 1 << 62
HALF_BITS = 31
LOW_HALF = (1 << HALF_BITS) - 1
"""Sums are added in halves where they may overflow: the bits of this mask, and the others, HALF_BITS further down."""


@dataclass(frozen=True)
class TokenTable:
    """Entries sorted by (token, feature), each pair once; all arrays are [entries]."""

    token: NDArray[np.int32]  # token id
    feature: NDArray[np.int32]  # or OCCURRENCES, which comes before a token's features
    count: Ints  # counted tokens with this id at which the feature fires
    total: Ints  # of the activations there, in steps of 1 / STEPS_PER_UNIT; 0 for OCCURRENCES
    maximum: NDArray[np.float32]  # of the activations there; 0 for OCCURRENCES

    def __len__(self) -> int:
        return len(self.token)

    @classmethod
    def empty(cls) -> TokenTable:
        """The table of no tokens."""
        none = np.zeros(0, np.int32)
        return cls(none, none, np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))

    @classmethod
    def merged(cls, tables: Sequence[TokenTable]) -> TokenTable:
        """The table of all tokens that these tables are of."""
        both = cls.concatenate(tables)
        if len(tables) <= 1 or not len(both):
            return both
        key = both.keys()
        order = np.argsort(key, kind="stable")  # nearly linear, as the input is a few sorted lists
        starts = group_starts(key[order])
        first = order[starts]
        return cls(
            both.token[first],
            both.feature[first],
            np.add.reduceat(both.count[order], starts),
            saturating_sums(both.total[order], starts),
            np.maximum.reduceat(both.maximum[order], starts),
        )

    @classmethod
    def concatenate(cls, tables: Sequence[TokenTable]) -> TokenTable:
        """The entries of all tables, one table after the other."""
        if len(tables) == 1:
            return tables[0]
        columns = ([getattr(table, part.name) for table in (cls.empty(), *tables)] for part in fields(cls))
        return cls(*map(np.concatenate, columns))

    def with_occurrences(self, occurrences: TokenTable) -> TokenTable:
        """This table with the occurrences of its tokens, which it lacks, and of others; the same as merging both."""
        places = np.searchsorted(self.token, occurrences.token)
        columns = ((getattr(self, part.name), getattr(occurrences, part.name)) for part in fields(TokenTable))
        return TokenTable(*(np.insert(own, places, inserted) for own, inserted in columns))

    def take(self, index: NDArray[Any] | slice) -> TokenTable:
        """Some of the entries; their order must stay."""
        return TokenTable(*(getattr(self, part.name)[index] for part in fields(self)))

    def keys(self) -> Ints:
        """Each entry's pair as one number, ascending."""
        return (self.token.astype(np.int64) << 32) | (self.feature.astype(np.int64) + 1)


def table_of_activations(
    token: NDArray[np.int32], feature: NDArray[np.int32], value: NDArray[np.float32]
) -> TokenTable:
    """The table of some activations, sorted by feature, at tokens with these ids; all [activations]."""
    if not len(token):
        return TokenTable.empty()
    order = stable_argsort((token, bits_for(int(token.max()))))
    token, feature, value = token[order], feature[order], value[order]
    starts = group_starts(token, feature)
    return TokenTable(
        token[starts],
        feature[starts],
        np.diff(starts, append=len(token)),
        saturating_sums(steps_of(value), starts),
        np.maximum.reduceat(value, starts),
    )


def table_of_occurrences(block: Windows) -> TokenTable:
    """How often each token occurs in a block at counted positions."""
    count = np.bincount(block.tokens[block.counted_tokens])
    token = np.flatnonzero(count).astype(np.int32)
    return TokenTable(
        token,
        np.full(len(token), OCCURRENCES, np.int32),
        count[token].astype(np.int64),
        np.zeros(len(token), np.int64),
        np.zeros(len(token), np.float32),
    )


def steps_of(value: NDArray[np.float32]) -> Ints:
    """Activations in steps of 1 / STEPS_PER_UNIT, rounded to the nearest, ties to even."""
    steps: Ints = np.minimum(np.rint(value.astype(np.float64) * STEPS_PER_UNIT), float(LARGEST_SUM)).astype(np.int64)
    return steps


def saturating_sums(numbers: Ints, starts: Ints) -> Ints:
    """Sums of groups of numbers from 0 to LARGEST_SUM, at most LARGEST_SUM; groups begin at `starts`."""
    sums: Ints
    if int(numbers.max()) <= LARGEST_SUM // len(numbers):  # no sum can be larger
        sums = np.add.reduceat(numbers, starts)
        return sums
    low = np.add.reduceat(numbers & LOW_HALF, starts)
    high = np.add.reduceat(numbers >> HALF_BITS, starts)
    return joined_halves(low, high)


def joined_halves(low: Ints, high: Ints) -> Ints:
    """low + high * 2^31, at most LARGEST_SUM."""
    high = high + (low >> HALF_BITS)
    joined: Ints = np.minimum((np.minimum(high, 1 << HALF_BITS) << HALF_BITS) | (low & LOW_HALF), LARGEST_SUM)
    return joined
