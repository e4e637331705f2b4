"""What fires at a run's tokens, from whichever files say it: activations/*.parquet, else firings/*.parquet.

A run with --save-activations has the former, one with --keep-firings alone the latter.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
from cachetools import LRUCache
from numpy.typing import NDArray

from sparse_autoencoder.reading.damaged_files import readable
from sparse_autoencoder.reading.row_group_reader import Place, RowsFiles
from sparse_autoencoder.runs import firings_file
from sparse_autoencoder.runs.activations_file import ActivationColumns, ActivationsFile
from sparse_autoencoder.runs.firings_file import Firings
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.store import StoreFile
from sparse_autoencoder.utils.numpy_array_ops import Ints, starts_of

_KEPT_CHUNKS = 64  # of which it is known where each row group begins


@dataclass(frozen=True)
class FiringsOfRow:
    """What fires in a row."""

    token: Ints  # [firings], the place in the row, -1 for a counted BOS; ascending
    feature: NDArray[np.int32]  # [firings], ascending within each token
    value: NDArray[np.float32] | None  # [firings], how strongly; None: only that it fires is kept

    @classmethod
    def of(
        cls, token: Ints, feature: NDArray[np.int32], value: NDArray[np.float32] | None, num_features: int
    ) -> FiringsOfRow:
        """From a row's firings, window by window: the markers of later windows come to the first one."""
        keys, first = np.unique(np.maximum(token, -1) * num_features + feature, return_index=True)
        token, feature = np.divmod(keys, num_features)
        return cls(token, feature.astype(np.int32), None if value is None else value[first])

    def strongest(self, features: list[int]) -> dict[int, tuple[int, float]]:
        """The token and the value of the largest activation of each of these features; empty without values."""
        if self.value is None:
            return {}
        some = np.flatnonzero(np.isin(self.feature, features))
        some = some[np.lexsort((-self.value[some], self.feature[some]))]
        ids, first = np.unique(self.feature[some], return_index=True)
        at = some[first]
        found = zip(self.token[at].tolist(), self.value[at].tolist(), strict=True)
        return dict(zip(ids.tolist(), found, strict=True))


class KeptFirings:
    """A run's firings. Several threads may use it; all calls raise SaescopeError for missing or damaged files."""

    def __init__(self, folder: RunFolder, metadata: RunMetadata, files: RowsFiles) -> None:
        self._folder = folder
        self._policy = metadata.policy
        self._num_features = metadata.num_features
        self._has_values = metadata.options.save_activations
        self._files = files
        self._lock = threading.Lock()
        self._starts: LRUCache[int, Ints] = LRUCache(_KEPT_CHUNKS)

    @contextmanager
    def of_chunk(self, chunk: int) -> Iterator[tuple[int, Iterator[Firings]]]:
        """How many counted tokens a chunk has, and what fires at them, piece by piece.

        Tokens at which nothing fires may be left out of the pieces, which have to be taken within the context.
        """
        if self._has_values:
            with self._activations(chunk) as saved:
                yield saved.num_tokens, map(self._firings_of, saved)
        else:
            with self._firings(chunk) as (key, file):
                yield int(file.metadata.num_rows), map(self._checked, firings_file.read(key, file))

    def of_row(self, row_id: int, place: Place) -> FiringsOfRow:
        """What fires in a row, by where the prompts files have it."""
        if not self._has_values:
            return self._fired_in_row(row_id, place)
        with self._activations(place.chunk) as saved:
            columns = activations_of_rows(saved, np.array([row_id]))
            self._check(columns.feature)
            if not np.all((columns.value > 0) & np.isfinite(columns.value)):
                raise ValueError("there are activations in it that are no positive numbers")
        token = columns.token.astype(np.int64)
        return FiringsOfRow.of(token, columns.feature, columns.value, self._num_features)

    def _fired_in_row(self, row_id: int, place: Place) -> FiringsOfRow:
        """From a firings file, where a row's place is the number of counted tokens before it in its chunk."""
        rows = self._files.tokens(place)
        at = rows.find(row_id)
        if at is None:
            raise KeyError(row_id)
        lengths = np.diff(rows.starts)
        counted = self._policy.num_counted(lengths[: at + 1])
        first = int(self._group_starts(place.chunk)[place.group] + counted[:-1].sum())
        with self._firings(place.chunk) as (key, file):
            found = firings_file.read_tokens(key, file, first, first + int(counted[-1]))
            self._check(found.features)
        token = np.repeat(self._policy.counted_places(int(lengths[at])), found.counts)
        return FiringsOfRow.of(token, found.features, None, self._num_features)

    def _firings_of(self, columns: ActivationColumns) -> Firings:
        counts = np.diff(columns.token_starts(), append=len(columns))
        return self._checked(Firings(counts, columns.feature))

    def _checked(self, firings: Firings) -> Firings:
        self._check(firings.features)
        return firings

    def _check(self, features: NDArray[np.int32]) -> None:
        if len(features) and not 0 <= features.min() <= features.max() < self._num_features:
            raise ValueError("there are features in it that the run doesn't have")

    @contextmanager
    def _firings(self, chunk: int) -> Iterator[tuple[str, pq.ParquetFile]]:
        key = self._folder.firings(chunk)
        with readable(self._folder, key):
            yield key, pq.ParquetFile(StoreFile(self._folder.store, key))

    @contextmanager
    def _activations(self, chunk: int) -> Iterator[ActivationsFile]:
        key = self._folder.activations(chunk)
        with readable(self._folder, key):
            yield ActivationsFile(key, pq.ParquetFile(StoreFile(self._folder.store, key)))

    def _group_starts(self, chunk: int) -> Ints:
        """How many counted tokens come before each row group of a chunk's prompts file."""
        with self._lock:
            if chunk not in self._starts:
                groups = range(len(self._files.row_ids(chunk).first))
                tokens = (self._files.tokens(Place(chunk, group)) for group in groups)
                counted = [int(self._policy.num_counted(np.diff(rows.starts)).sum()) for rows in tokens]
                self._starts[chunk] = starts_of(np.array(counted, np.int64))
            return self._starts[chunk]


def activations_of_rows(saved: ActivationsFile, rows: Ints) -> ActivationColumns:
    """The activations of some rows, whose ids ascend: only the row groups that may have some are read."""
    parts = []
    for group in saved.groups_of(rows):
        columns = saved.read(group)
        parts.append(columns[np.isin(columns.row, rows)])
    return ActivationColumns.concatenate(parts)
