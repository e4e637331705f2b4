"""Sums over texts: what an interval needs that allows for firings that come together.

A feature often fires several times in one text, and some texts come again and again, so tokens are no independent
observations. Texts nearly are. The unit is therefore the distinct text, with c firings of a feature at t counted
tokens in all rows that have it. The sums of c, c^2, c t and t^2 over texts give the cluster-robust variance of a
feature's density.

Rows are seen one by one. A row whose text n earlier rows had contributes its c^2, c t and t^2 (2n + 1) times: as
1 + 3 + ... + (2m - 1) = m^2, a text that m rows have contributes (m c)^2, whatever the order in which sums are added.

Texts are in two halves, by a bit of their hash. A feature doesn't differ between the halves but by chance, so comparing
them shows how large differences are that mean nothing. All sums are integers, so they never depend on the order; they
are right as long as they are below 2^63, for up to three billion tokens of the same text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.tokens.windows import Windows
from sparse_autoencoder.utils.numpy_array_ops import Ints, Keys, group_starts, mix

HALVES = 2


@dataclass(frozen=True)
class TextSums:
    """Sums over the texts of some rows, by half; only rows with a counted token are counted."""

    num_rows: Ints  # [halves]
    num_texts: Ints  # [halves], distinct ones
    num_tokens: Ints  # [halves], counted ones
    squared_tokens: Ints  # [halves], sum of t^2 over texts
    count: Ints  # [halves, features], tokens with activation > 0
    texts: Ints  # [halves, features], distinct texts in which the feature fires
    squares: Ints  # [halves, features], sum of c^2 over texts
    products: Ints  # [halves, features], sum of c t over texts

    @classmethod
    def empty(cls, n_features: int) -> TextSums:
        """The sums of no rows."""
        totals = [np.zeros(HALVES, np.int64) for _ in range(4)]
        by_feature = [np.zeros((HALVES, n_features), np.int64) for _ in range(4)]
        return cls(*totals, *by_feature)

    def merge(self, other: TextSums) -> TextSums:
        """The sums of these rows and of others."""
        return TextSums(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(TextSums)))

    def whole(self) -> TextSums:
        """Both halves as one: [1] and [1, features]."""
        return TextSums(*(getattr(self, one.name).sum(axis=0, keepdims=True) for one in fields(TextSums)))


@dataclass(frozen=True)
class RowTexts:
    """What these sums need to know of a chunk's rows, those with a counted token; arrays [rows], row ids ascending."""

    row_id: Ints
    num_windows: Ints
    num_tokens: Ints  # counted ones
    earlier: Ints  # how many earlier rows of the source had the same text
    half: Ints

    @classmethod
    def of(cls, windows: Windows, row_ids: Ints, hashes: Keys, earlier: Ints) -> RowTexts:
        """For the windows of rows `row_ids`, whose texts have these hashes; `earlier` rows before had the same one."""
        rows, num_windows, num_tokens = _rows_of([windows])
        at = np.searchsorted(row_ids, rows)
        return cls(rows, num_windows, num_tokens, earlier[at], _halves(hashes[at]))

    @classmethod
    def all_different(cls, blocks: Sequence[Windows]) -> RowTexts:
        """For rows of which no two have the same text, where only the tokens are at hand."""
        rows, num_windows, num_tokens = _rows_of(blocks)
        return cls(rows, num_windows, num_tokens, np.zeros_like(rows), _halves(mix(rows.astype(np.uint64))))

    def __len__(self) -> int:
        return len(self.row_id)

    def of_windows(self, windows: Windows) -> Ints:
        """Each window's row, as an index into these rows; len(self) for a window of a row without counted tokens."""
        index = np.searchsorted(self.row_id, windows.row_ids)
        found = np.append(self.row_id, -1)[index] == windows.row_ids
        return np.where(found, index, len(self))

    def whole_in(self, windows: Windows) -> NDArray[np.bool_]:
        """Mask of the rows [rows] that have all of their windows among these."""
        present = np.bincount(self.of_windows(windows), minlength=len(self) + 1)[:-1]
        whole: NDArray[np.bool_] = present == self.num_windows
        return whole

    def totals(self, n_features: int) -> TextSums:
        """The sums of these rows that don't depend on activations."""

        def by_half(numbers: Ints) -> Ints:
            found = np.zeros(HALVES, np.int64)
            np.add.at(found, self.half, numbers)
            return found

        nothing = np.zeros((HALVES, n_features), np.int64)
        return TextSums(
            num_rows=by_half(np.ones_like(self.earlier)),
            num_texts=by_half((self.earlier == 0).astype(np.int64)),
            num_tokens=by_half(self.num_tokens),
            squared_tokens=by_half(self.weight * self.num_tokens**2),
            count=nothing,
            texts=nothing,
            squares=nothing,
            products=nothing,
        )

    @property
    def weight(self) -> Ints:
        """How often a row's products of two counts are counted [rows]."""
        return 2 * self.earlier + 1


def _rows_of(blocks: Sequence[Windows]) -> tuple[Ints, Ints, Ints]:
    """Ids of the rows that have counted tokens; how many windows and how many counted tokens each has."""
    window_rows = np.concatenate([block.row_ids for block in blocks])
    counted = np.concatenate([block.counted_lengths for block in blocks])
    starts = group_starts(window_rows)
    num_tokens = np.add.reduceat(counted, starts) if len(starts) else counted
    used = np.flatnonzero(num_tokens)
    return window_rows[starts][used], np.diff(starts, append=len(counted))[used], num_tokens[used]


def _halves(hashes: Keys) -> Ints:
    return (hashes & np.uint64(1)).astype(np.int64)


@dataclass(frozen=True)
class RowCounts:
    """How often features fire in rows, flat; a row that is split between blocks has several entries for a feature."""

    row: Ints  # index into RowTexts
    feature: NDArray[np.int32]
    count: Ints

    @classmethod
    def none(cls) -> RowCounts:
        """No entries."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int64))

    @classmethod
    def concatenate(cls, parts: list[RowCounts]) -> RowCounts:
        """All entries, with those of the same row and feature added up."""
        every = [cls.none(), *parts]
        row, feature, count = (np.concatenate([getattr(part, one.name) for part in every]) for one in fields(cls))
        order = np.lexsort((row, feature))
        starts = group_starts(feature[order], row[order])
        total = np.add.reduceat(count[order], starts) if len(starts) else count
        return cls(row[order][starts], feature[order][starts], total)

    def __getitem__(self, chosen: NDArray[np.bool_]) -> RowCounts:
        return RowCounts(self.row[chosen], self.feature[chosen], self.count[chosen])

    def sums(self, rows: RowTexts, n_features: int) -> TextSums:
        """The sums of whole rows, as far as they depend on activations."""
        place = rows.half[self.row] * n_features + self.feature

        def by_feature(numbers: Ints) -> Ints:
            found = np.zeros(HALVES * n_features, np.int64)
            np.add.at(found, place, numbers)
            return found.reshape(HALVES, n_features)

        weighted = rows.weight[self.row] * self.count
        none = [np.zeros(HALVES, np.int64) for _ in range(4)]
        return TextSums(
            *none,
            count=by_feature(self.count),
            texts=by_feature((rows.earlier[self.row] == 0).astype(np.int64)),
            squares=by_feature(weighted * self.count),
            products=by_feature(weighted * rows.num_tokens[self.row]),
        )
