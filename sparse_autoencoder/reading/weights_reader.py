"""Reads a run's files that follow from the weights alone: what they say of one feature, or why they say nothing."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from sparse_autoencoder.reading.damaged_files import readable
from sparse_autoencoder.runs import logit_effects_file, neighbours_file
from sparse_autoencoder.runs.folder_layout import LOGIT_EFFECTS, NEIGHBOURS, NEIGHBOURS_OF, RunFolder
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.store import NotFoundError
from sparse_autoencoder.runs.stored_parquet import check_file, open_stored
from sparse_autoencoder.runs.weights_notes import WeightsNote, note_in

_SCHEMAS = {
    LOGIT_EFFECTS: logit_effects_file.SCHEMA,
    NEIGHBOURS: neighbours_file.SCHEMA,
    NEIGHBOURS_OF: neighbours_file.SCHEMA,
}
_GROUP_BYTES = 1 << 24  # about 100 kB are usual


@dataclass(frozen=True)
class OfWeights:
    """What a file says of a feature: the columns of its row; None if there is nothing, and why."""

    row: Mapping[str, Any] | None
    note: WeightsNote | None = None  # the file's, if there is one
    missing: str = ""


class WeightsFiles:
    """The files of one run. Several threads may use it.

    All calls raise SaescopeError if a file is damaged; a file that isn't there is no error.
    """

    def __init__(self, folder: RunFolder, metadata: RunMetadata, *, live: bool) -> None:
        self._folder = folder
        self._metadata = metadata
        self._live = live
        self._lock = threading.Lock()  # two threads that read one ParquetFile at once crash the process
        self._open: dict[str, tuple[pq.ParquetFile, WeightsNote]] = {}

    def of(self, name: str, feature_id: int) -> OfWeights:
        """What one of the files, by its name in the folder, says of a feature."""
        key = self._folder.key(name)
        with self._lock, readable(self._folder, key):
            try:
                file, note = self._opened(name)
            except NotFoundError:
                return OfWeights(None, missing=self._why_not())
            if note.missing is not None:
                return OfWeights(None, note, note.missing)
            group, index = divmod(feature_id, file.metadata.row_group(0).num_rows)
            table = file.read_row_group(group, use_threads=False)
            return OfWeights(table.slice(index, 1).to_pylist()[0], note)

    def _opened(self, name: str) -> tuple[pq.ParquetFile, WeightsNote]:
        if name not in self._open:
            key = self._folder.key(name)
            file = open_stored(self._folder.store, key)
            note = note_in(file.schema_arrow)
            if note.missing is None:
                check_file(key, file, _SCHEMAS[name], _GROUP_BYTES)
                if file.metadata.num_rows != self._metadata.num_features:
                    raise ValueError("it has another number of features")
            self._open[name] = file, note
        return self._open[name]

    def _why_not(self) -> str:
        options = self._metadata.options
        if options.skip_directions:
            return "the run was made without it (--skip-directions): run it again without that"
        if self._live:
            return "it is computed when all rows are encoded"
        return "the run was made by a version of saescope that did not compute it: run it again"
