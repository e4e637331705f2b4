"""A finished run, read from its published files.

Reading a feature reads its row group (runs/features_file_format.py has the format). The features files also have token
strings, for other readers; here they come from the run's vocabulary.
"""

import threading
from functools import cached_property
from itertools import chain
from typing import Any

import pyarrow.parquet as pq
from cachetools import LRUCache, cachedmethod
from numpy.typing import NDArray

from sparse_autoencoder.reading.damaged_files import readable
from sparse_autoencoder.reading.run_view import RunTexts, RunView
from sparse_autoencoder.reading.token_tables import TokenTables
from sparse_autoencoder.runs import positions_file, text_sums_file
from sparse_autoencoder.runs.features_file_format import (
    BAND,
    BAND_LIST,
    BAND_LISTS,
    EXAMPLE,
    EXAMPLE_LISTS,
    EXAMPLE_PATHS,
    FEATURES_PER_FILE,
)
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.overview_file import Overview
from sparse_autoencoder.runs.store import NotFoundError, get_at_most
from sparse_autoencoder.runs.stored_parquet import open_stored
from sparse_autoencoder.runs.token_matches import TokenCounts
from sparse_autoencoder.summaries.position_counts import PositionCounts
from sparse_autoencoder.summaries.text_sums import NamedTextSums
from sparse_autoencoder.utils.numpy_array_ops import Mask

_READ = [
    "histogram",
    *(f"{BAND_LIST}.list.element.{name}" for name in BAND.names if name != "examples"),
    *(f"{examples}.list.element.{name}" for examples in EXAMPLE_PATHS for name in EXAMPLE.names if name != "tokens"),
]
_READ_BYTES = 3 << 16  # least bytes of a read from the store; a row group has about 130 kB
_OVERVIEW_BYTES, _OVERVIEW_BYTES_PER_FEATURE = 1 << 20, 1 << 14  # the most that is read; about 400 are usual
_OPEN_FILES = 64  # an open file takes 2 MB, mostly for the offsets of its columns


class PublishedRun(RunView):
    """A finished run's features, from its published files. Several threads may use it."""

    live = False

    def __init__(self, folder: RunFolder, metadata: RunMetadata) -> None:
        super().__init__(folder, metadata, RunTexts.of(folder, metadata))
        self._lock = threading.Lock()  # two threads that read one ParquetFile at once crash the process
        self._open: LRUCache[Any, pq.ParquetFile] = LRUCache(_OPEN_FILES)

    @cached_property
    def overview(self) -> Overview:
        """See RunView.overview."""
        key = self._folder.overview
        with readable(self._folder, key):
            most = _OVERVIEW_BYTES + _OVERVIEW_BYTES_PER_FEATURE * self.metadata.num_features
            data = get_at_most(self._folder.store, key, most)
            return Overview.from_parquet(data, self.metadata.num_features, self.metric_descriptions)

    @cached_property
    def text_sums(self) -> NamedTextSums | None:
        """See RunView.text_sums."""
        if self.metadata.num_texts is None:
            return None
        key = self._folder.text_sums
        with readable(self._folder, key):
            most = _OVERVIEW_BYTES + _OVERVIEW_BYTES_PER_FEATURE * self.metadata.num_features
            return text_sums_file.from_parquet(get_at_most(self._folder.store, key, most), self.metadata.num_features)

    @cached_property
    def positions(self) -> PositionCounts | None:
        """See RunView.positions."""
        key = self._folder.positions
        with readable(self._folder, key):
            most = _OVERVIEW_BYTES + _OVERVIEW_BYTES_PER_FEATURE * self.metadata.num_features
            try:
                data = get_at_most(self._folder.store, key, most)
            except NotFoundError:
                self._folder.read_metadata()  # raises the NotFoundError of a run that was deleted
                return None
            return positions_file.from_parquet(data, self.metadata.num_features)

    @cached_property
    def _token_tables(self) -> TokenTables | None:
        return TokenTables.of(self._folder, self.metadata.num_features)

    def _token_counts(self, wanted: Mask) -> TokenCounts | None:
        tables = self._token_tables
        return None if tables is None else tables.counts(wanted, len(self._encoded))

    def _tokens_of(self, feature_id: int) -> dict[str, Any] | None:
        if self._token_tables is None:
            return None
        return self._token_tables.of_feature(feature_id) | {"chunks": len(self._encoded), "of": len(self._encoded)}

    @property
    def token_numbers(self) -> dict[str, NDArray[Any]] | None:
        """See RunView.token_numbers."""
        tables = self._token_tables
        return None if tables is None else tables.numbers

    def _chunks(self) -> list[int]:
        failed = {chunk.chunk for chunk in self.metadata.failed_chunks}
        there = self._folder.numbers("prompts")
        return [chunk for chunk in range(max(there, default=0) + 1) if chunk not in failed]

    def _feature(self, feature_id: int) -> dict[str, Any]:
        number, place = divmod(feature_id, FEATURES_PER_FILE)
        with readable(self._folder, self._folder.features(number)):
            with self._lock:
                file = self._features_file(number)
                group, index = divmod(place, file.metadata.row_group(0).num_rows)
                # a row group is so small that reading with threads takes longer
                table = file.read_row_group(group, columns=_READ, use_threads=False)
            record: dict[str, Any] = table.slice(index, 1).to_pylist()[0]
            lists = [record[name] for name in EXAMPLE_LISTS] + [band["examples"] for band in record.get(BAND_LIST, [])]
            for example in chain.from_iterable(lists):
                example["tokens"] = self.vocabulary.joined(example["token_ids"])
        return record

    @cachedmethod(lambda self: self._open)
    def _features_file(self, number: int) -> pq.ParquetFile:
        key = self._folder.features(number)
        # a row group's columns are contiguous, so one buffered read of the store has them all
        file = open_stored(self._folder.store, key, read_bytes=_READ_BYTES)
        if not file.num_row_groups or not file.metadata.row_group(0).num_rows:
            raise ValueError("it has no features")
        if BAND_LIST in file.schema_arrow.names and not file.schema_arrow.field(BAND_LIST).type.equals(BAND_LISTS):
            raise ValueError("its bands are of another kind")
        return file
