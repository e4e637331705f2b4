"""Sums over texts: what an interval needs that allows for firings that come together.

A feature often fires several times in one text, and some texts come again and again, so tokens are no independent
observations. Texts nearly are. The unit is therefore the distinct text, with c firings of a feature at t counted
tokens in all rows that have it. The sums of c, c^2, c t and t^2 over texts give the cluster-robust variance of a
feature's density.

Rows are seen one by one. A row whose text n earlier rows had contributes its c^2, c t and t^2 (2n + 1) times: as
1 + 3 + ... + (2m - 1) = m^2, a text that m rows have contributes (m c)^2, whatever the order in which sums are added.

The sums are kept for several sets of rows (data/row_sets.py). A feature doesn't differ between the sets 0 and 1, halves
of the texts, but by chance, so comparing them shows how large differences are that mean nothing. A text that rows of
two groups have is a text of each.

All sums are integers, so they never depend on the order; they are right as long as they are below 2^63, for up to three
billion tokens of the same text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.data.row_sets import HALVES, RowSets
from sparse_autoencoder.tokens.windows import Windows
from sparse_autoencoder.utils.numpy_array_ops import Ints, group_starts

TOTALS = ("num_rows", "num_texts", "num_tokens", "squared_tokens")
BY_FEATURE = ("count", "texts", "squares", "products")


@dataclass(frozen=True)
class TextSums:
    """Sums over the texts of some rows, by set; only rows with a counted token are counted."""

    num_rows: Ints  # [sets]
    num_texts: Ints  # [sets], distinct ones
    num_tokens: Ints  # [sets], counted ones
    squared_tokens: Ints  # [sets], sum of t^2 over texts
    count: Ints  # [sets, features], tokens with activation > 0
    texts: Ints  # [sets, features], distinct texts in which the feature fires
    squares: Ints  # [sets, features], sum of c^2 over texts
    products: Ints  # [sets, features], sum of c t over texts

    @classmethod
    def empty(cls, n_features: int, num_sets: int = HALVES) -> TextSums:
        """The sums of no rows."""
        totals = [np.zeros(num_sets, np.int64) for _ in TOTALS]
        by_feature = [np.zeros((num_sets, n_features), np.int64) for _ in BY_FEATURE]
        return cls(*totals, *by_feature)

    @property
    def num_sets(self) -> int:
        """The number of sets: the halves, and the groups so far."""
        return len(self.num_rows)

    def merge(self, other: TextSums) -> TextSums:
        """The sums of these rows and of others; where one has more sets, the other has no rows in them."""
        num_sets = max(self.num_sets, other.num_sets)
        pairs = zip(self._arrays(num_sets), other._arrays(num_sets), strict=True)
        return TextSums(*(mine + others for mine, others in pairs))

    def _arrays(self, num_sets: int) -> list[Ints]:
        more = num_sets - self.num_sets
        arrays = (getattr(self, one.name) for one in fields(TextSums))
        return [np.pad(array, [(0, more)] + [(0, 0)] * (array.ndim - 1)) if more else array for array in arrays]

    def whole(self) -> TextSums:
        """Both halves as one set: [1] and [1, features]."""
        return TextSums(*(getattr(self, one.name)[:HALVES].sum(axis=0, keepdims=True) for one in fields(TextSums)))


@dataclass(frozen=True)
class NamedTextSums:
    """Sums over texts, and the names of the sets that are groups."""

    sums: TextSums
    names: Mapping[int, str]


@dataclass(frozen=True)
class RowTexts:
    """What these sums need to know of a chunk's rows, those with a counted token; row ids ascending."""

    row_id: Ints  # [rows]
    num_windows: Ints  # [rows]
    num_tokens: Ints  # [rows], counted ones
    sets: Ints  # [1 or 2, rows], each row's half, and its group's set if there are groups
    earlier: Ints  # [1 or 2, rows], how many earlier rows of the source had the same text, and were in the same group

    @classmethod
    def of(cls, windows: Windows, row_ids: Ints, row_sets: RowSets) -> RowTexts:
        """For the windows of the rows with these ids, which ascend, and their sets."""
        window_rows, counted = windows.row_ids, windows.counted_lengths
        starts = group_starts(window_rows)
        num_tokens = np.add.reduceat(counted, starts) if len(starts) else counted
        used = np.flatnonzero(num_tokens)
        rows, num_windows = window_rows[starts][used], np.diff(starts, append=len(counted))[used]
        own = row_sets.of(np.searchsorted(row_ids, rows))
        return cls(rows, num_windows, num_tokens[used], own.sets, own.earlier)

    @classmethod
    def all_different(cls, windows: Windows) -> RowTexts:
        """For windows of rows of which no two have the same text."""
        row_ids = np.unique(windows.row_ids)
        return cls.of(windows, row_ids, RowSets.all_different(row_ids))

    def __len__(self) -> int:
        return len(self.row_id)

    @property
    def num_sets(self) -> int:
        """The number of sets that these rows' sums have."""
        return max(HALVES, int(self.sets.max(initial=0)) + 1)

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

        def by_set(numbers: Ints) -> Ints:
            found = np.zeros(self.num_sets, np.int64)
            np.add.at(found, self.sets, np.broadcast_to(numbers, self.sets.shape))
            return found

        return replace(
            TextSums.empty(n_features, self.num_sets),
            num_rows=by_set(np.ones_like(self.earlier)),
            num_texts=by_set((self.earlier == 0).astype(np.int64)),
            num_tokens=by_set(self.num_tokens),
            squared_tokens=by_set(self.weight * self.num_tokens**2),
        )

    @property
    def weight(self) -> Ints:
        """How often a row's products of two counts are counted [1 or 2, rows]."""
        return 2 * self.earlier + 1


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
        place = rows.sets[:, self.row] * n_features + self.feature
        weighted = rows.weight[:, self.row] * self.count

        def by_feature(numbers: Ints) -> Ints:
            found = np.zeros(rows.num_sets * n_features, np.int64)
            np.add.at(found, place, np.broadcast_to(numbers, place.shape))
            return found.reshape(rows.num_sets, n_features)

        return replace(
            TextSums.empty(n_features, rows.num_sets),
            count=by_feature(self.count),
            texts=by_feature((rows.earlier[:, self.row] == 0).astype(np.int64)),
            squares=by_feature(weighted * self.count),
            products=by_feature(weighted * rows.num_tokens[self.row]),
        )
