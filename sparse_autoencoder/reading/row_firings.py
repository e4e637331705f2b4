"""Which features fire at each token of a row, and how strongly where that is known."""

from __future__ import annotations

from collections.abc import Sequence

from sparse_autoencoder.reading.kept_firings import FiringsOfRow, KeptFirings
from sparse_autoencoder.reading.row_group_reader import RowsFiles
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.store import NotFoundError


class RowFirings:
    """A run's firings, row by row. Several threads may use it."""

    def __init__(self, folder: RunFolder, kept: KeptFirings, files: RowsFiles, chunks: Sequence[int]) -> None:
        self._folder = folder
        self._kept = kept
        self._files = files
        self._chunks = chunks

    def of(self, row_id: int) -> FiringsOfRow:
        """What fires in a row; NotFoundError without such a row, SaescopeError if a file is missing or damaged."""
        place = self._files.find(row_id, self._chunks)
        if place is None or self._files.tokens(place).find(row_id) is None:
            raise NotFoundError(f"run {self._folder.run_id} has no row {row_id}")
        return self._kept.of_row(row_id, place)
