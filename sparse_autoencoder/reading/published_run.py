"""A finished run, read from its published files."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from sparse_autoencoder.reading.damaged_files import readable
from sparse_autoencoder.reading.feature_reader import FeaturesFiles
from sparse_autoencoder.reading.row_group_reader import RowsFiles
from sparse_autoencoder.reading.run_rows import RunRows
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.reading.token_strings import Vocabulary
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.overview_file import Overview


class PublishedRun(RunView):
    """A finished run's features, from its published files."""

    live = False

    def __init__(self, folder: RunFolder, metadata: RunMetadata) -> None:
        super().__init__(folder, metadata, Vocabulary(folder))
        self._features = FeaturesFiles(folder, self.vocabulary)

    @cached_property
    def overview(self) -> Overview:
        """See RunView.overview."""
        key = self._folder.overview
        with readable(self._folder, key):
            data = self._folder.store.get(key)
            return Overview.from_parquet(data, self.metadata.num_features, self.metric_descriptions)

    @cached_property
    def rows(self) -> RunRows:
        """See RunView.rows."""
        files = RowsFiles(self._folder, self.metadata.options.chunk_size)
        return RunRows(self._folder, self.metadata, files, self.vocabulary, self._chunks())

    def feature(self, feature_id: int) -> dict[str, Any]:
        """See RunView.feature."""
        if not 0 <= feature_id < self.metadata.num_features:
            raise KeyError(feature_id)
        return self._features.record(feature_id)

    def _chunks(self) -> list[int]:
        """The chunks that have a prompts file, or should have one: a missing file is reported when it is read."""
        failed = {chunk.chunk for chunk in self.metadata.failed_chunks}
        there = self._folder.numbers("prompts")
        return [chunk for chunk in range(max(there, default=0) + 1) if chunk not in failed]
