"""What is watched of a run in one process, with time set by hand: chunks, reading, writing what they give."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from sparse_autoencoder.data.row_skip_rules import Record, Row
from sparse_autoencoder.pipeline.hang_detection import RunWatch, left_behind
from sparse_autoencoder.tokens.chunks import Chunk
from sparse_autoencoder.utils.watchdog import Action, Backstop, Watchdog, Work
from tests.support.watched_store import Clock

PATIENCE_S = 600.0


class Watched:
    """A run that is watched, where somebody looks when time passes."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.hung: list[tuple[str, int | None]] = []
        self.said: list[str] = []
        self.watch = RunWatch(folder, PATIENCE_S, self._hung, self.said.append, self._watchdog)

    def after(self, seconds: float) -> list[tuple[str, int | None]]:
        """What is found to hang when so much time has passed."""
        self.clock.now += seconds
        self.watchdog.look()
        return self.hung

    def _hung(self, work: Work, chunk: int | None) -> None:
        self.hung.append((work.what, chunk))

    def _watchdog(self, on_expired: Action, backstop: Backstop | None) -> Watchdog:
        self.watchdog = Watchdog(on_expired, backstop, clock=self.clock, look_every_s=1e6)  # nobody looks by himself
        return self.watchdog


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path)
    with watched.watch:
        yield watched


def chunk_of(index: int) -> Chunk:
    rows = np.arange(10) + 10 * index
    return Chunk(index, rows, ["a"] * 10, np.zeros(10, np.int32), np.arange(11), [])


def test_a_chunk_hangs_when_no_batch_goes_through(watched: Watched) -> None:
    with watched.watch.encoding(chunk_of(3)) as work:
        for _batch in range(5):
            assert watched.after(500) == []
            work.moved()
        assert watched.after(601) == [("chunk 3 (rows 30 to 39)", 3)]


def test_chunks_have_ten_times_what_the_slowest_so_far_took(watched: Watched) -> None:
    for index, seconds in enumerate([75, 100, 50]):
        with watched.watch.encoding(chunk_of(index)):
            watched.after(seconds)
    with watched.watch.encoding(chunk_of(3)):
        assert watched.after(1000) == []
        assert watched.after(1) == [("chunk 3 (rows 30 to 39)", 3)]


def test_an_attempt_that_failed_says_nothing_of_how_long_chunks_take(watched: Watched) -> None:
    with suppress(MemoryError), watched.watch.encoding(chunk_of(2)):
        watched.after(100)
        raise MemoryError
    with watched.watch.encoding(chunk_of(2)):
        assert watched.after(601) != []


def test_the_writing_of_what_came_of_a_chunk_is_watched(watched: Watched) -> None:
    with watched.watch.keeping(chunk_of(3)):
        assert watched.after(601) == [("writing what came of chunk 3 (rows 30 to 39)", None)]


def pairs(records: Iterator[Record]) -> Iterator[list[Record]]:
    """Chunks of two records."""
    for first in records:
        yield [first, next(records)]


def test_reading_that_is_slow_and_moves_does_not_hang(watched: Watched) -> None:
    def slow() -> Iterator[Record]:
        for row in range(10):
            assert watched.after(500) == []
            yield Row(row, "a")

    chunks = watched.watch.chunks(pairs(watched.watch.records(slow())), "rows.txt", may_wait=False)
    assert len(list(chunks)) == 5
    assert watched.hung == []


def test_reading_hangs_when_no_record_comes(watched: Watched) -> None:
    def stuck() -> Iterator[Record]:
        yield Row(0, "a")
        yield Row(1, "a")
        watched.after(601)
        yield Row(2, "a")
        yield Row(3, "a")

    list(watched.watch.chunks(pairs(watched.watch.records(stuck())), "rows.txt", may_wait=False))
    assert watched.hung == [("reading rows.txt", None)]


def test_what_is_done_with_a_chunk_is_none_of_its_reading_s_time(watched: Watched) -> None:
    records: Iterator[Record] = iter([Row(row, "a") for row in range(4)])
    for _chunk in watched.watch.chunks(pairs(watched.watch.records(records)), "rows.txt", may_wait=False):
        assert watched.after(5000) == []


def test_a_pipe_may_wait_and_each_silence_is_said_once(watched: Watched) -> None:
    def silent() -> Iterator[Record]:
        for row in range(2):
            watched.after(61)
            watched.after(10_000)
            yield Row(row, "a")

    list(watched.watch.chunks(pairs(watched.watch.records(silent())), "standard input", may_wait=True))
    assert watched.hung == []
    assert watched.said == ["nothing has come from standard input for 61 seconds, waiting for more"] * 2


def test_leaving_has_a_reading_thread_stop_at_its_next_record(watched: Watched) -> None:
    records = watched.watch.records(Row(row, "a") for row in range(10**9))
    with suppress(KeyError), watched.watch.reading_ends():
        next(records)
        raise KeyError
    with pytest.raises(InterruptedError):
        next(records)


def test_which_chunk_is_being_encoded_is_in_a_file_while_it_is(watched: Watched, tmp_path: Path) -> None:
    with watched.watch.encoding(chunk_of(12)):
        assert (tmp_path / "watched.log").read_text() == "chunk 12\n"
    assert (tmp_path / "watched.log").read_text() == ""


def test_nothing_is_left_behind_when_all_went_well(tmp_path: Path) -> None:
    with Watched(tmp_path).watch:
        pass
    assert list(tmp_path.iterdir()) == []
    assert left_behind(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", None),
        ("chunk 12\n", None),  # it was killed
        ("chunk 12\nTimeout (0:10:00)!\nThread 1:\n", 12),
        ("Timeout (0:10:00)!\nThread 1:\n", None),
    ],
)
def test_what_the_backstop_left_behind_names_the_chunk(text: str, found: int | None, tmp_path: Path) -> None:
    (tmp_path / "watched.log").write_text(text)
    left = left_behind(tmp_path)
    assert left == ((found, text) if "Timeout" in text else None)
