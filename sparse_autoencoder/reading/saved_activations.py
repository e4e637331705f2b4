"""Reads back what --save-activations wrote: chosen features, rows or both, as tables and arrays, without torch.

Only the row groups that may have something of what is chosen are read: of chosen rows those that hold them; of chosen
features the column of features everywhere, a third of the bytes, and the rest where one of them fires.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.reading.activation_matrix import ActivationMatrix, needed
from sparse_autoencoder.reading.damaged_files import readable
from sparse_autoencoder.reading.row_group_reader import Place
from sparse_autoencoder.reading.run_view import RunTexts
from sparse_autoencoder.runs.activations_file import SCHEMA, ActivationColumns, ActivationsFile
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.metadata import PUBLISHED
from sparse_autoencoder.runs.rows_file_format import RowTokens
from sparse_autoencoder.runs.store import NotFoundError, StoreFile
from sparse_autoencoder.utils.numpy_array_ops import Ints, Mask, starts_of

Numbers = Iterable[int] | int


class SavedActivations:
    """The activations of a finished run, read when they are asked for.

    `features` and `rows` are ids, of which None means all. Activations come by row, by place in the row, and at a token
    by feature; tokens that don't count in the run's statistics have none. All calls raise SaescopeError for ids that
    the run doesn't have, and for files that are missing or damaged.
    """

    def __init__(self, folder: RunFolder) -> None:
        """NotFoundError for a run without saved activations, SaescopeError for one that isn't finished."""
        self.metadata = folder.read_metadata()
        if not self.metadata.options.save_activations:
            raise NotFoundError(
                f"run {folder.run_id} did not save its activations: run it again with --save-activations"
            )
        if self.metadata.status not in PUBLISHED:
            status = self.metadata.status
            raise SaescopeError(f"run {folder.run_id} is {status}: its activations can be read when it is finished")
        self._folder = folder
        self._texts = RunTexts.of(folder, self.metadata)
        self._chunks = folder.numbers("prompts")

    @property
    def num_features(self) -> int:
        """The autoencoder's features."""
        return self.metadata.num_features

    @property
    def num_tokens(self) -> int:
        """Counted tokens, also those at which nothing fires."""
        return self.metadata.num_tokens

    def num_activations(self) -> int:
        """How many activations there are."""
        return sum(file.num_activations for _key, file in self._files())

    def num_bytes(self) -> int:
        """What the files take."""
        return sum(self._folder.store.size(self._folder.activations(chunk)) for chunk in self._chunks)

    def batches(self, features: Numbers | None = None, rows: Numbers | None = None) -> Iterator[pa.Table]:
        """Tables with the columns row, token, feature and value, of at most some 131,072 activations each."""
        return (columns.table() for columns in self._parts(features, rows))

    def table(self, features: Numbers | None = None, rows: Numbers | None = None) -> pa.Table:
        """One table of all that is chosen."""
        return pa.concat_tables([SCHEMA.empty_table(), *self.batches(features, rows)])

    def arrays(self, features: Numbers | None = None, rows: Numbers | None = None) -> ActivationColumns:
        """The same as numpy arrays `row`, `token`, `feature` and `value`: [activations] each."""
        return ActivationColumns.concatenate(list(self._parts(features, rows)))

    def pandas(self, features: Numbers | None = None, rows: Numbers | None = None) -> Any:
        """The same as a pandas DataFrame; SaescopeError if pandas isn't installed."""
        needed("pandas", "table() or arrays()")
        return self.table(features, rows).to_pandas()

    def polars(self, features: Numbers | None = None, rows: Numbers | None = None) -> Any:
        """The same as a polars DataFrame; SaescopeError if polars isn't installed."""
        return needed("polars", "table() or arrays()").from_arrow(self.table(features, rows))

    def matrix(self, features: Numbers | None = None, rows: Numbers | None = None) -> ActivationMatrix:
        """A sparse matrix of all counted tokens of the rows, and the features in the order given."""
        columns = self._feature_ids(features)
        known = list(self._row_lengths(rows))
        row_ids = np.concatenate([np.zeros(0, np.int64), *(ids for ids, _num_tokens in known)])
        num_tokens = np.concatenate([np.zeros(0, np.int64), *(num_tokens for _ids, num_tokens in known)])
        starts = starts_of(self.metadata.policy.num_counted(num_tokens))
        column_of = np.full(self.num_features, -1, np.int32)
        column_of[columns] = np.arange(len(columns), dtype=np.int32)
        found = self.arrays(features, rows)
        row = np.minimum(np.searchsorted(row_ids, found.row), max(len(row_ids) - 1, 0))
        line = starts[row] + self.metadata.policy.counted_index(found.token)
        if np.any(line < starts[row]) or np.any(line >= starts[row + 1]) or np.any(np.diff(line) < 0):
            raise SaescopeError(f"the activations of run {self._folder.run_id} don't fit its rows: run it again")
        row_of = np.repeat(np.arange(len(row_ids)), np.diff(starts))
        token = self.metadata.policy.counted_token(np.arange(starts[-1]) - starts[row_of])
        return ActivationMatrix(
            starts_of(np.bincount(line, minlength=int(starts[-1]))),
            column_of[found.feature],
            found.value,
            row_ids[row_of],
            token.astype(np.int32),
            columns.astype(np.int32),
        )

    def row(self, row_id: int) -> tuple[str, Ints]:
        """A row's text and its tokens, without markers; NotFoundError if there is none."""
        place = self._texts.files.find(row_id, self._chunks)
        at = None if place is None else self._texts.files.tokens(place).find(row_id)
        if place is None or at is None:
            raise NotFoundError(f"run {self._folder.run_id} has no row {row_id}")
        text = self._texts.files.read(place, ["text"])["text"][at].as_py()
        return text or "", self._texts.files.tokens(place).row(at).astype(np.int64)

    def row_ids(self) -> Ints:
        """The rows that were encoded: their ids, ascending."""
        found = [ids[lengths > 0] for ids, lengths in self._row_lengths(None)]
        return np.concatenate([np.zeros(0, np.int64), *found])

    # -- what is read ----------------------------------------------------------------------------------------------

    def _parts(self, features: Numbers | None, rows: Numbers | None) -> Iterator[ActivationColumns]:
        """What is chosen, a row group at a time; the ids are checked at once."""
        wanted: Mask | None = None
        if features is not None:
            wanted = np.zeros(self.num_features, bool)
            wanted[self._feature_ids(features)] = True
        row_ids = None
        if rows is not None:
            row_ids = np.concatenate([np.zeros(0, np.int64), *(ids for ids, _lengths in self._row_lengths(rows))])
        return self._read(wanted, row_ids)

    def _read(self, wanted: Mask | None, row_ids: Ints | None) -> Iterator[ActivationColumns]:
        for key, file in self._files():
            with readable(self._folder, key):
                groups = range(file.num_groups) if row_ids is None else file.groups_of(row_ids)
                for group in groups:
                    if (columns := self._group(file, group, wanted, row_ids)) is not None:
                        yield columns

    def _group(
        self, file: ActivationsFile, group: int, wanted: Mask | None, row_ids: Ints | None
    ) -> ActivationColumns | None:
        """What is chosen of a row group; None if that is nothing."""
        if wanted is not None and not wanted[self._checked(file.features(group))].any():
            return None
        columns = file.read(group)
        self._checked(columns.feature)
        some = np.ones(len(columns), bool) if wanted is None else wanted[columns.feature]
        if row_ids is not None:
            some &= np.isin(columns.row, row_ids)
        return columns if some.all() else columns[some] if some.any() else None

    def _checked(self, feature: NDArray[np.int32]) -> NDArray[np.int32]:
        if len(feature) and not 0 <= feature.min() <= feature.max() < self.num_features:
            raise ValueError("there are features in it that the run doesn't have")
        return feature

    def _files(self) -> Iterator[tuple[str, ActivationsFile]]:
        """The chunks' files, open one after the other."""
        for chunk in self._chunks:
            key = self._folder.activations(chunk)
            with readable(self._folder, key):
                file = ActivationsFile(key, pq.ParquetFile(StoreFile(self._folder.store, key)))
            yield key, file

    def _row_lengths(self, rows: Numbers | None) -> Iterator[tuple[Ints, Ints]]:
        """Ids of the rows, ascending, and how many tokens each has; NotFoundError if there is one that doesn't exist.

        Rows that were skipped have none.
        """
        wanted = None if rows is None else np.unique(_ids(rows, "rows"))
        found: list[Ints] = []
        for chunk in self._chunks:
            ids = self._texts.files.row_ids(chunk)
            for group in range(len(ids.first)):
                if wanted is not None:
                    first, last = np.searchsorted(wanted, [ids.first[group], ids.last[group] + 1])
                    if first == last:
                        continue
                tokens: RowTokens = self._texts.files.tokens(Place(chunk, group))
                some = slice(None) if wanted is None else np.isin(tokens.row_ids, wanted)
                found.append(tokens.row_ids[some])
                yield found[-1], np.diff(tokens.starts)[some]
        if wanted is not None and len(missing := np.setdiff1d(wanted, np.concatenate([[], *found]))):
            raise NotFoundError(f"run {self._folder.run_id} has no row {int(missing[0])}")

    def _feature_ids(self, features: Numbers | None) -> Ints:
        ids = np.arange(self.num_features) if features is None else _ids(features, "features")
        if len(wrong := ids[(ids < 0) | (ids >= self.num_features)]):
            raise NotFoundError(
                f"run {self._folder.run_id} has no feature {int(wrong[0])}: it has 0 to {self.num_features - 1}"
            )
        if len(np.unique(ids)) < len(ids):
            raise SaescopeError("a feature is asked for twice: name each once")
        return ids


def _ids(numbers: Numbers, what: str) -> Ints:
    found = np.atleast_1d(np.asarray(numbers if isinstance(numbers, int) else list(numbers)))
    if not len(found):
        return np.zeros(0, np.int64)
    if found.dtype.kind not in "iu":
        raise SaescopeError(f"{what} are given by their ids, which are whole numbers")
    return found.astype(np.int64)
