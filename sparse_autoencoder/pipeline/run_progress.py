"""How far a one-process run is, within chunks too: noted by the threads that read and encode, and shown by another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

from sparse_autoencoder.tokens.chunks import Chunk
from sparse_autoencoder.utils.progress_lines import RowsProgress


class RunProgress:
    """The progress of a run that goes on after `rows_before` rows and may take at most `max_rows`."""

    def __init__(self, rows_before: int, max_rows: int | None) -> None:
        self._rows = RowsProgress(rows_before, max_rows)
        self._rows_read = self._rows_begun = rows_before
        self._tokens_before = 0  # of the chunks before the one that is encoded
        self._lock = threading.Lock()

    def describe(self) -> str:
        """The progress as a line."""
        return str(self._rows)

    def read(self, chunks: Iterable[Chunk], fraction_read: Callable[[], float | None]) -> Iterator[Chunk]:
        """The chunks as they are read, from whose share of the source the number of its rows is estimated."""
        for chunk in chunks:
            self._rows_read += chunk.n_records
            if fraction := fraction_read():
                self._rows.estimate(max(self._rows_read, self._rows_read / fraction))
            yield chunk
        self._rows.exactly(self._rows_read)

    def encoding(self, chunk: Chunk) -> Callable[[int, int], None]:
        """A function to call after each batch of a chunk: how many of how many tokens of the chunk it had."""
        before = self._rows_begun
        self._rows_begun += chunk.n_records
        tokens_before, done = self._tokens_before, 0

        def encoded(tokens: int, of: int) -> None:
            nonlocal done
            with self._lock:
                done = min(done + tokens, of)  # where memory was too small, a part is encoded again
                self._tokens_before = tokens_before + done
                self._rows.at(before + chunk.n_records * done / max(of, 1), self._tokens_before)

        return encoded
