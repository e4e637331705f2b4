"""Which features fire at each token of a row, from firings/*.parquet; for runs with --keep-firings.

Those files have a row for each counted token of a chunk and nothing that says which, so a row's place in them is the
number of counted tokens before it. Only the row groups that hold the row are read.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
from cachetools import LRUCache
from numpy.typing import NDArray

from sparse_autoencoder.reading.damaged_files import readable
from sparse_autoencoder.reading.row_group_reader import Place, RowsFiles
from sparse_autoencoder.runs import firings_file
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.store import NotFoundError, StoreFile
from sparse_autoencoder.utils.numpy_array_ops import Ints, starts_of

_KEPT_CHUNKS = 64  # of which it is known where each row group begins


@dataclass(frozen=True)
class FiringsOfRow:
    """What fires in a row."""

    token: Ints  # [firings], the place in the row, -1 for a counted BOS; ascending
    feature: NDArray[np.int32]  # [firings], ascending within each token


class RowFirings:
    """A run's firings, row by row. Several threads may use it."""

    def __init__(self, folder: RunFolder, metadata: RunMetadata, files: RowsFiles, chunks: Sequence[int]) -> None:
        self._folder = folder
        self._policy = metadata.policy
        self._num_features = metadata.num_features
        self._files = files
        self._chunks = chunks
        self._lock = threading.Lock()
        self._starts: LRUCache[int, Ints] = LRUCache(_KEPT_CHUNKS)

    def of(self, row_id: int) -> FiringsOfRow:
        """What fires in a row; NotFoundError without such a row, SaescopeError if a file is missing or damaged."""
        place = self._files.find(row_id, self._chunks)
        at = None if place is None else self._files.tokens(place).find(row_id)
        if place is None or at is None:
            raise NotFoundError(f"run {self._folder.run_id} has no row {row_id}")
        lengths = np.diff(self._files.tokens(place).starts)
        counted = self._policy.num_counted(lengths[: at + 1])
        first = int(self._group_starts(place.chunk)[place.group] + counted[:-1].sum())
        key = self._folder.firings(place.chunk)
        with readable(self._folder, key):
            file = pq.ParquetFile(StoreFile(self._folder.store, key))
            found = firings_file.read_tokens(key, file, first, first + int(counted[-1]))
            if not np.all((found.features >= 0) & (found.features < self._num_features)):
                raise ValueError("there are features in it that the run doesn't have")
        token = np.repeat(self._policy.counted_places(int(lengths[at])), found.counts)
        # the markers of later windows come to the first one
        entries = np.unique(token * self._num_features + found.features)
        token, feature = np.divmod(entries, self._num_features)
        return FiringsOfRow(token, feature.astype(np.int32))

    def _group_starts(self, chunk: int) -> Ints:
        """How many counted tokens come before each row group of a chunk's prompts file."""
        with self._lock:
            if chunk not in self._starts:
                groups = range(len(self._files.row_ids(chunk).first))
                tokens = (self._files.tokens(Place(chunk, group)) for group in groups)
                counted = [int(self._policy.num_counted(np.diff(rows.starts)).sum()) for rows in tokens]
                self._starts[chunk] = starts_of(np.array(counted, np.int64))
            return self._starts[chunk]
