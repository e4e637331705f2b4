"""A run's prompts files: finding the row group that has a row, and reading row groups. Several threads may use it.

A row is found by the row ids in the files' statistics, which ascend from chunk to chunk. For this, only the end of a
file is read.
"""

import threading
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from cachetools import LRUCache

from sparse_autoencoder.reading.damaged_files import DAMAGE, readable
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.format_version import check_schema
from sparse_autoencoder.runs.rows_file_format import RowTokens, has_rows_schema
from sparse_autoencoder.runs.store import StoreFile
from sparse_autoencoder.utils.numpy_array_ops import Ints

_OPEN_FILES = 256
_TOKEN_BYTES = 64 << 20  # size of the cache of row groups' tokens


@dataclass(frozen=True)
class Place:
    """The place of some consecutive rows: a row group of a chunk's prompts file."""

    chunk: int
    group: int


@dataclass(frozen=True)
class RowIds:
    """The first and the last row id in each row group of a prompts file, including skipped rows."""

    first: Ints  # [row groups]
    last: Ints  # [row groups]


class RowsFiles:
    """The prompts files of a run. A written file never changes, so what was read stays valid.

    All calls raise SaescopeError if a file that they need is missing or damaged.
    """

    def __init__(self, folder: RunFolder, chunk_size: int) -> None:
        self._folder = folder
        self._chunk_size = chunk_size
        self._lock = threading.Lock()  # two threads that read one ParquetFile at once crash the process
        self._row_ids: dict[int, RowIds] = {}
        self._files: LRUCache[int, pq.ParquetFile] = LRUCache(_OPEN_FILES)
        self._tokens: LRUCache[Place, RowTokens] = LRUCache(_TOKEN_BYTES, getsizeof=_num_bytes)

    def find(self, row_id: int, chunks: Sequence[int]) -> Place | None:
        """The place of this row, or else of the next row that exists; None if there is no later row.

        `chunks` are the numbers of the prompts files, in order.
        """
        low, high = 0, len(chunks)
        # right, unless a chunk has fewer rows because its texts are long
        guess = bisect_left(chunks, row_id // self._chunk_size)
        while low < high:
            at = min(max(low, guess), high - 1)
            ids = self.row_ids(chunks[at])
            if row_id > ids.last[-1]:
                low = at + 1
            elif row_id < ids.first[0]:
                high = at
            else:
                return Place(chunks[at], int(np.searchsorted(ids.last, row_id)))
            guess = (low + high) // 2
        return Place(chunks[low], 0) if low < len(chunks) else None

    def row_ids(self, chunk: int) -> RowIds:
        """The row ids in a chunk's row groups."""
        with self._lock:
            if chunk not in self._row_ids:
                with readable(self._folder, self._folder.prompts(chunk)):
                    metadata = self._file(chunk).metadata
                    ranges = [_row_range(metadata.row_group(number)) for number in range(metadata.num_row_groups)]
                    first, last = np.array(ranges, np.int64).T
                    self._row_ids[chunk] = RowIds(first, last)
            return self._row_ids[chunk]

    def read(self, place: Place, columns: list[str]) -> pa.Table:
        """Some columns of a row group, with rows in order."""
        with self._lock:
            return self._read(place, columns)

    def tokens(self, place: Place) -> RowTokens:
        """The tokens of a row group; recently used ones stay in memory."""
        with self._lock:
            kept = self._tokens.get(place)
            if kept is None:
                with readable(self._folder, self._folder.prompts(place.chunk)):
                    kept = RowTokens.of(self._read(place, ["row_id", "tokens"]))
                with suppress(ValueError):  # larger than the whole cache: it is read again when it is needed
                    self._tokens[place] = kept
            return kept

    def _read(self, place: Place, columns: list[str]) -> pa.Table:
        with readable(self._folder, self._folder.prompts(place.chunk)):
            try:
                # a row group is so small that reading with threads takes longer
                return self._file(place.chunk).read_row_group(place.group, columns=columns, use_threads=False)
            except DAMAGE:
                self._files.pop(place.chunk, None)  # so that a replaced file is opened again the next time
                raise

    def _file(self, chunk: int) -> pq.ParquetFile:
        kept = self._files.get(chunk)
        if kept is None:
            key = self._folder.prompts(chunk)
            kept = pq.ParquetFile(StoreFile(self._folder.store, key))
            check_schema(key, kept.schema_arrow.metadata)
            if not has_rows_schema(kept.schema_arrow):
                raise ValueError("the file has other columns")
            self._files[chunk] = kept
        return kept


def _num_bytes(rows: RowTokens) -> int:
    return rows.row_ids.nbytes + rows.tokens.nbytes + rows.starts.nbytes


def _row_range(group: pq.RowGroupMetaData) -> tuple[int, int]:
    """The smallest and the largest row id of a prompts file's row group, by its statistics."""
    statistics = group.column(0).statistics
    if statistics is None or not statistics.has_min_max:
        raise ValueError("the file doesn't say which rows it holds")
    return statistics.min, statistics.max
