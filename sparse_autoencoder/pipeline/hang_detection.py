"""Watches a one-process run for hangs: reading the source, encoding chunks, and writing their results.

The file watched.log has the chunk that is being encoded. If native code hangs so that no Python code can run, the
backstop adds all threads' tracebacks to it, and the next process reads them (`left_behind`).
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Self, TypeVar

from sparse_autoencoder.data.row_skip_rules import Record
from sparse_autoencoder.pipeline.chunk_outputs import chunk_name
from sparse_autoencoder.tokens.chunks import Chunk
from sparse_autoencoder.utils.watchdog import Action, Backstop, Watchdog, Work

T = TypeVar("T")

WATCHED = "watched.log"
STREAM_SILENCE_S = 60.0  # after this time without input from a pipe, a message says so
_READING = "reading "
_CHUNK = re.compile(r"chunk (\d+)\n")
_BACKSTOP = "Timeout ("  # the backstop's report begins with this


class RunWatch:
    """The watch, a context manager. `on_hung` gets the work that hangs, and the number of the chunk being encoded."""

    def __init__(
        self,
        folder: Path,
        patience_s: float,
        on_hung: Callable[[Work, int | None], None],
        say: Callable[[str], None],
        watchdog: Callable[[Action, Backstop | None], Watchdog] = Watchdog,
    ) -> None:
        self._path = folder / WATCHED
        self._patience_s = patience_s
        self._on_hung = on_hung
        self._say = say
        self._make_watchdog = watchdog
        self._slowest_s = 0.0
        self._encoding: tuple[Work, int] | None = None
        self._reading: Work | None = None
        self._stopped = False

    def __enter__(self) -> Self:
        self._file: IO[bytes] | None = None
        with suppress(OSError):  # with a full disk there is no backstop
            self._file = self._path.open("wb", buffering=0)
        backstop = None if self._file is None else Backstop(self._file)
        self._watchdog = self._make_watchdog(self._expired, backstop).__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.__exit__()
        if self._file is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)

    @contextmanager
    def encoding(self, chunk: Chunk) -> Iterator[Work]:
        """Watch the encoding of a chunk; its duration affects the deadlines of later chunks."""
        with self._watchdog.watching(chunk_name(chunk), self._patience_s, self._slowest_s) as work:
            self._encoding = work, chunk.index
            self._note(f"chunk {chunk.index}\n")
            try:
                yield work
            finally:
                self._encoding = None
                self._note("")
            self._slowest_s = max(self._slowest_s, work.seconds)

    @contextmanager
    def keeping(self, chunk: Chunk) -> Iterator[None]:
        """Watch the merging and writing of a chunk's result."""
        with self._watchdog.watching(f"writing what came of {chunk_name(chunk)}", self._patience_s):
            yield

    @contextmanager
    def weighing(self) -> Iterator[Work]:
        """Watch the computation of what follows from the weights."""
        with self._watchdog.watching("computing logit effects and neighbours", self._patience_s) as work:
            yield work

    def records(self, records: Iterable[Record]) -> Iterator[Record]:
        """The records; each one counts as progress of reading."""
        for record in records:
            if self._stopped:
                raise InterruptedError("the reading is to stop")
            if self._reading is not None:
                self._reading.moved()
            yield record

    def chunks(self, chunks: Iterator[T], name: str, *, may_wait: bool) -> Iterator[T]:
        """Watch the reading of chunks. `may_wait`: the source is a pipe, which may stay silent without limit."""
        end = object()
        floor_s = STREAM_SILENCE_S if may_wait else self._patience_s
        while True:
            notice = self._silence if may_wait else None
            with self._watchdog.watching(f"{_READING}{name}", floor_s, notice=notice) as work:
                self._reading = work
                item = next(chunks, end)
            if item is end:
                return
            yield item  # type: ignore[misc]

    @contextmanager
    def reading_ends(self) -> Iterator[None]:
        """When this context ends, a thread that is reading records stops at the next record."""
        try:
            yield
        finally:
            self._stopped = True

    def _silence(self, work: Work) -> None:
        name = work.what.removeprefix(_READING)
        self._say(f"nothing has come from {name} for {work.still_s:.0f} seconds, waiting for more")

    def _expired(self, work: Work) -> None:
        encoding = self._encoding
        self._on_hung(work, encoding[1] if encoding is not None and encoding[0] is work else None)

    def _note(self, text: str) -> None:
        if self._file is None:
            return
        with suppress(OSError):
            self._file.seek(0)
            self._file.truncate()
            self._file.write(text.encode())


@contextmanager
def opening(source: str, say: Callable[[str], None]) -> Iterator[None]:
    """Print a message if opening a source takes long, like a pipe without a writer."""
    if source.startswith("kaggle:"):  # its download has a progress bar
        yield
        return

    def silence(work: Work) -> None:
        say(f"nothing has come from {work.what} for {work.still_s:.0f} seconds, waiting for it")

    with Watchdog(silence) as watchdog, watchdog.watching(source, STREAM_SILENCE_S, notice=silence):
        yield


def left_behind(folder: Path) -> tuple[int | None, str] | None:
    """What the backstop wrote when it ended the last process: the chunk (or None), and the tracebacks; else None."""
    try:
        text = (folder / WATCHED).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    if _BACKSTOP not in text:
        return None
    chunk = _CHUNK.match(text)
    return (None if chunk is None else int(chunk[1])), text
