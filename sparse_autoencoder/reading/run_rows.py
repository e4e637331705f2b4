"""The rows of a run, finished or not: lists of rows, search for text, and single rows.

A list reads the row groups that it needs. A search reads only texts, row group by row group, and the features only of
the rows that it finds. The caller decides when a search has taken too long.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sparse_autoencoder.reading.damaged_files import readable
from sparse_autoencoder.reading.row_group_reader import Place, RowsFiles
from sparse_autoencoder.reading.token_strings import GOES_ON, Vocabulary
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.rows_file_format import COLUMNS, RowTokens
from sparse_autoencoder.runs.store import NotFoundError
from sparse_autoencoder.utils.numpy_array_ops import Ints, Mask

LISTED_CHARS = 1000  # most characters of a row's text in a list
_TOLD = ["text", "skipped", "features", COLUMNS]  # the last only where columns are kept


@dataclass(frozen=True)
class FiredFeature:
    """A feature that fired in a row."""

    feature_id: int
    activation: float  # its largest in the row
    token: int  # index into the row's tokens; -1 for a counted BOS
    token_str: str


@dataclass(frozen=True)
class ListedRow:
    """A row in a list."""

    row_id: int
    text: str | None  # its first LISTED_CHARS characters; None for a skipped row
    is_cut: bool
    skipped: str | None  # the reason
    features: list[FiredFeature]  # strongest first
    columns: dict[str, str | None]  # the dataset's own ones that are kept


@dataclass(frozen=True)
class WholeRow:
    """A row with its tokens."""

    row_id: int
    text: str | None  # None for a skipped row
    skipped: str | None  # the reason
    token_ids: list[int]  # without BOS
    tokens: list[str]
    windows: list[int]  # index of the first token that each window counts
    features: list[FiredFeature]  # strongest first
    columns: dict[str, str | None]  # the dataset's own ones that are kept
    previous: int | None  # id of the row before, skipped or not
    next: int | None


@dataclass(frozen=True)
class WantedRows:
    """Which rows a list has: those that fulfil all that is given here."""

    text: str | None = None  # the row's text contains it, ignoring case
    column: str | None = None  # a kept column, for the next two
    value: str | None = None  # the column has this value
    contains: str | None = None  # the column's value contains it, ignoring case

    @property
    def read(self) -> list[str]:
        """The columns of a prompts file that must be read to tell."""
        return [*(["text"] if self.text is not None else []), *([COLUMNS] if self.column is not None else [])]

    def among(self, table: pa.Table) -> Mask:
        """Mask of the rows of a table with those columns."""
        wanted = np.ones(len(table), bool)
        if self.text is not None:
            wanted &= containing(table["text"], self.text)
        if self.column is not None:
            values = pc.struct_field(table[COLUMNS], self.column)
            if self.value is not None:
                wanted &= pc.fill_null(pc.equal(values, self.value), False).to_numpy()
            if self.contains is not None:
                wanted &= containing(values, self.contains)
        return wanted


ALL_ROWS = WantedRows()


@dataclass(frozen=True)
class RowPage:
    """Some rows, and the id at which the next page begins; None if there are no more rows."""

    rows: list[ListedRow]
    next: int | None


def containing(texts: pa.ChunkedArray, text: str) -> Mask:
    """Mask [texts] of the texts that contain `text`, ignoring case (Unicode's simple folding); False for nulls."""
    found: Mask = pc.fill_null(pc.match_substring(texts, text, ignore_case=True), False).to_numpy()
    return found


class RunRows:
    """A run's rows, including skipped ones, but not those of failed chunks.

    `chunks` are the numbers of the prompts files, in order. All calls raise SaescopeError if a file is missing or
    damaged.
    """

    def __init__(
        self,
        folder: RunFolder,
        metadata: RunMetadata,
        files: RowsFiles,
        vocabulary: Vocabulary,
        chunks: Sequence[int],
    ) -> None:
        self._folder = folder
        self._policy = metadata.policy
        self._files = files
        self._vocabulary = vocabulary
        self._chunks = chunks

    def page(
        self, first: int, limit: int, which: WantedRows = ALL_ROWS, may_go_on: Callable[[], bool] = lambda: True
    ) -> RowPage:
        """At most `limit` of the wanted rows, from the id `first` on.

        `may_go_on` is called before each row group except the first; if it is False, the page ends there.
        """
        rows: list[ListedRow] = []
        for number, place in enumerate(self._places_from(first)):
            if len(rows) == limit or (number and not may_go_on()):
                return RowPage(rows, self._first_row(place))
            wanted = self._wanted(place, first, which)
            room = limit - len(rows)
            rows += self._listed(place, wanted[:room])
            if len(wanted) > room:
                return RowPage(rows, int(self._files.tokens(place).row_ids[wanted[room]]))
        return RowPage(rows, None)

    def row(self, row_id: int) -> WholeRow:
        """One row; NotFoundError if the run has no row with this id."""
        place = self._files.find(row_id, self._chunks)
        if place is not None:
            group = self._files.tokens(place)
            at = group.find(row_id)
            if at is not None:
                return self._whole(place, group, at)
        raise NotFoundError(f"run {self._folder.run_id} has no row {row_id}")

    def visit(
        self, columns: list[str], visit: Callable[[pa.Table], None], may_go_on: Callable[[], bool] = lambda: True
    ) -> int | None:
        """Call `visit` with these columns of each row group, in order.

        `may_go_on` is called before each row group except the first; if it is False, this ends there. The answer is the
        id of the row that would be the next; None if all were visited.
        """
        for number, place in enumerate(self._places_from(0)):
            if number and not may_go_on():
                return self._first_row(place)
            table = self._files.read(place, columns)
            with self._readable(place):
                visit(table)
        return None

    def _whole(self, place: Place, group: RowTokens, at: int) -> WholeRow:
        """The row with index `at` in a row group."""
        ids, token_ids = group.row_ids, group.row(at)
        before, after = self._neighbours(place)
        with self._readable(place):
            row = self._files.read(place, _TOLD).slice(at, 1).to_pylist()[0]
            features = self._fired(row["features"], token_ids)
        return WholeRow(
            row_id=int(ids[at]),
            text=row["text"],
            skipped=row["skipped"],
            token_ids=token_ids.tolist(),
            tokens=self._vocabulary.joined(token_ids.tolist()),
            windows=self._policy.counted_offsets(len(token_ids)),
            features=features,
            columns=row.get(COLUMNS) or {},
            previous=int(ids[at - 1]) if at else before,
            next=int(ids[at + 1]) if at + 1 < len(ids) else after,
        )

    def _readable(self, place: Place) -> AbstractContextManager[None]:
        return readable(self._folder, self._folder.prompts(place.chunk))

    def _places_from(self, row_id: int) -> Iterator[Place]:
        """The row groups from the one that may have this row on."""
        place = self._files.find(row_id, self._chunks)
        while place is not None:
            yield place
            place = self._beside(place, 1)

    def _beside(self, place: Place, step: int) -> Place | None:
        """The next (1) or previous (-1) row group of the run."""
        group = place.group + step
        if 0 <= group < len(self._files.row_ids(place.chunk).first):
            return Place(place.chunk, group)
        at = bisect_left(self._chunks, place.chunk) + step
        if not 0 <= at < len(self._chunks):
            return None
        chunk = self._chunks[at]
        return Place(chunk, 0 if step > 0 else len(self._files.row_ids(chunk).first) - 1)

    def _neighbours(self, place: Place) -> tuple[int | None, int | None]:
        """The ids of the last row before a row group and of the first row after it."""
        before, after = self._beside(place, -1), self._beside(place, 1)
        last = None if before is None else int(self._files.row_ids(before.chunk).last[before.group])
        return last, None if after is None else self._first_row(after)

    def _first_row(self, place: Place) -> int:
        return int(self._files.row_ids(place.chunk).first[place.group])

    def _wanted(self, place: Place, first: int, which: WantedRows) -> Ints:
        """The indices of a row group's wanted rows that have at least the id `first`."""
        if not which.read:
            return np.flatnonzero(self._files.tokens(place).row_ids >= first)
        with self._readable(place):
            rows = np.flatnonzero(which.among(self._files.read(place, which.read)))
        if not len(rows):  # true for most row groups of a search, of which then nothing else is read
            return rows
        return rows[self._files.tokens(place).row_ids[rows] >= first]

    def _listed(self, place: Place, rows: Ints) -> list[ListedRow]:
        """Some rows of a row group. Texts and tokens may be long, so only what is shown becomes Python objects."""
        if not len(rows):
            return []
        group = self._files.tokens(place)
        with self._readable(place):
            table = self._files.read(place, _TOLD).take(rows)
            shown = {
                "text": pc.utf8_slice_codeunits(table["text"], 0, LISTED_CHARS),
                "is_cut": pc.fill_null(pc.greater(pc.utf8_length(table["text"]), LISTED_CHARS), False),
                "skipped": table["skipped"],
                "features": table["features"],
                **({COLUMNS: table[COLUMNS]} if COLUMNS in table.column_names else {}),
            }
            return [
                ListedRow(
                    row_id=int(group.row_ids[row]),
                    text=told["text"],
                    is_cut=told["is_cut"],
                    skipped=told["skipped"],
                    features=self._fired(told["features"], group.row(row)),
                    columns=told.get(COLUMNS) or {},
                )
                for row, told in zip(rows.tolist(), pa.table(shown).to_pylist(), strict=True)
            ]

    def _fired(self, entries: list[dict[str, Any]], tokens: NDArray[np.int32]) -> list[FiredFeature]:
        """A row's features from the file, with the strings of the tokens on which they fired."""
        bos = self._policy.bos_token_id or 0  # without BOS in the model there are no such entries
        ids = [bos if entry["token"] < 0 else int(tokens[entry["token"]]) for entry in entries]
        strings = self._vocabulary.strings(ids)
        if self._vocabulary.has_parts(ids):  # then show the character that the token belongs to
            joined = self._vocabulary.joined(tokens.tolist())
            strings = [
                string if entry["token"] < 0 else _character_at(joined, entry["token"])
                for entry, string in zip(entries, strings, strict=True)
            ]
        return [FiredFeature(**entry, token_str=string) for entry, string in zip(entries, strings, strict=True)]


def _character_at(joined: Sequence[str], token: int) -> str:
    """The string of a token, or of the token in which the character begins that it goes on with."""
    while token and joined[token] == GOES_ON:
        token -= 1
    return joined[token]
