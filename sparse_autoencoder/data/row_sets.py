"""Which sets of rows a row belongs to, and how many earlier rows of each set had the same text.

Statistics over texts (summaries/text_sums.py) are kept for sets of rows. Sets 0 and 1 are halves: each text is in one,
by a bit of its hash. The sets from 2 on are the groups of `--group-by`: rows with the same value in a column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sparse_autoencoder.data.text_repeats import TextRepeats
from sparse_autoencoder.utils.numpy_array_ops import Ints, Keys, mix

HALVES = 2
MOST_GROUPS = 50
NO_VALUE = "(none)"
OTHERS = "(other)"
"""The names of the group of rows without a value, and of the group of all values after the first fifty."""


@dataclass(frozen=True)
class RowSets:
    """The sets of some rows: of each row its half, and its group if rows are grouped."""

    sets: Ints  # [1 or 2, rows]
    earlier: Ints  # [1 or 2, rows], how many earlier rows of the set had the same text
    names: Mapping[int, str] = field(default_factory=dict)  # of these groups, by their set

    @classmethod
    def all_different(cls, row_ids: Ints) -> RowSets:
        """For rows of which no two have the same text, where texts aren't at hand."""
        return cls(halves(mix(row_ids.astype(np.uint64)))[None], np.zeros_like(row_ids)[None])

    def of(self, rows: Sequence[int] | Ints) -> RowSets:
        """Only these rows, by index."""
        sets = self.sets[:, rows]
        kept = set(sets.ravel().tolist())
        return RowSets(sets, self.earlier[:, rows], {one: name for one, name in self.names.items() if one in kept})


def halves(hashes: Keys) -> Ints:
    """The half that a text is in, by its hash."""
    return (hashes & np.uint64(1)).astype(np.int64)


class RowSetsOfSource:
    """Tells the sets of a source's rows while it is read. Groups are numbered in the order of their first rows."""

    def __init__(self) -> None:
        self._repeats = TextRepeats()
        self._repeats_in_groups = TextRepeats()
        self._groups: dict[str, int] = {}

    def next(self, hashes: Keys, values: Sequence[str | None] | None = None) -> RowSets:
        """The sets of the source's next rows, by their texts' hashes and their values in the column to group by."""
        sets, earlier = halves(hashes)[None], self._repeats.earlier(hashes)[None]
        if values is None:
            return RowSets(sets, earlier)
        group = np.array([self._group(NO_VALUE if value is None else value) for value in values], np.int64)
        within = self._repeats_in_groups.earlier(mix(hashes ^ mix(group.astype(np.uint64))))
        names = {HALVES + MOST_GROUPS: OTHERS} | {number: name for name, number in self._groups.items()}
        return RowSets(np.vstack([sets, group]), np.vstack([earlier, within]), names).of(np.arange(len(values)))

    def _group(self, name: str) -> int:
        known = self._groups.get(name)
        if known is not None:
            return known
        number = HALVES + len(self._groups)
        if len(self._groups) < MOST_GROUPS:
            self._groups[name] = number
        return number
