"""When a chunk has failed in a run of one process, and when the process ends so that a fresh one can go on."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sparse_autoencoder.data.row_skip_rules import SkippedRow
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.pipeline.chunk_attempts import ChunkAttempts, EndOfProcessError, Settled
from sparse_autoencoder.pipeline.chunk_outputs import ChunkResult, failed_chunk
from sparse_autoencoder.pipeline.failure_log import FailureLog
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.run_state import RunState
from sparse_autoencoder.runs.store import DirectoryStore
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec
from sparse_autoencoder.tokens.chunks import Chunk
from tests.unit.utils.test_failure_rule import panic

SPEC = SummarySpec(n_features=8, examples_per_feature=2, seed=0)
CUDA = RuntimeError("CUDA error: device-side assert triggered")
ROWS = 10


def chunk_of(index: int, *, usable: bool = True) -> Chunk:
    rows = np.arange(ROWS) + ROWS * index
    if usable:
        return Chunk(index, rows, ["a"] * ROWS, np.zeros(ROWS, np.int32), np.arange(ROWS + 1), [])
    skipped = [SkippedRow(row, "no text") for row in rows.tolist()]
    return Chunk(index, rows[:0], [], np.zeros(0, np.int32), np.zeros(1, np.int64), skipped)


class Process:
    """A process that goes on with the run in a folder: what it does, until it ends."""

    def __init__(self, root: Path, *, anything_encoded: bool = True) -> None:
        self.said: list[str] = []
        self.pauses: list[float] = []
        self.attempted: list[int] = []
        self.attempts = ChunkAttempts(
            RunFolder(DirectoryStore(root), "run"),
            FailureLog(root / "run.failures.log", self.said.append),
            lambda chunk, why: failed_chunk(chunk, why, SPEC),
            anything_encoded=anything_encoded,
            pause=self.pauses.append,
        )

    def settle(self, index: int, *errors: BaseException | None, usable: bool = True) -> Settled:
        """Settle a chunk whose attempts raise these errors, the last one for ever; None lets it be encoded."""
        outcomes = iter(errors)
        last = errors[-1] if errors else None

        def encode() -> ChunkResult:
            self.attempted.append(index)
            if (error := next(outcomes, last)) is not None:
                raise error
            return ChunkResult(RunState(Summary.empty(SPEC), next_chunk=index + 1), b"rows")

        return self.attempts.settle(chunk_of(index, usable=usable), encode)


def told(settled: Settled) -> list[str]:
    """Which chunks are to be merged, and why they failed if they did."""
    return [
        f"{chunk.index}" + "".join(f" failed: {failed.error}" for failed in result.partial.failed_chunks)
        for chunk, result in settled
    ]


def test_a_chunk_that_can_be_encoded_is_merged_at_once(tmp_path: Path) -> None:
    process = Process(tmp_path)
    assert told(process.settle(3)) == ["3"]
    assert (process.pauses, process.said) == ([], [])
    assert list(tmp_path.rglob("*")) == []


def test_a_chunk_is_tried_three_times_with_pauses(tmp_path: Path) -> None:
    process = Process(tmp_path)
    assert told(process.settle(3, MemoryError(), RuntimeError(), None)) == ["3"]
    assert process.attempted == [3, 3, 3]
    assert process.pauses == [1.0, 1.0]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (SaescopeError("not finite"), "not finite"),
        (RuntimeError(), "RuntimeError"),
        (MemoryError(), "MemoryError"),
        (IndexError("index 2000 is out of bounds"), "IndexError: index 2000 is out of bounds"),
        (AssertionError(), "AssertionError"),
        (panic(), "PanicException: Onig: Regex search error: retry-limit-in-match over"),
    ],
)
def test_whatever_a_chunk_raises_it_has_failed_once_the_next_one_could_be_encoded(
    error: BaseException, why: str, tmp_path: Path
) -> None:
    process = Process(tmp_path)
    assert told(process.settle(3, error)) == []
    assert told(process.settle(4)) == [f"3 failed: {why}", "4"]
    assert process.attempted == [3, 3, 3, 4]


def test_every_failed_attempt_is_logged_with_its_traceback_and_the_user_is_told_of_the_log(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.settle(3, MemoryError(), RuntimeError("a\nb"), None)
    log = (tmp_path / "run.failures.log").read_text()
    assert "attempt 1 at chunk 3 (rows 30 to 39) failed (MemoryError)\nTraceback (most recent call last):\n" in log
    assert "attempt 2 at chunk 3 (rows 30 to 39) failed (RuntimeError: a)\nTraceback (most recent call last):\n" in log
    assert log.count("in encode\n    raise error\n") == 2
    (said,) = process.said
    assert said.startswith(
        "attempt 1 at chunk 3 (rows 30 to 39) failed (MemoryError); details of this and of what else"
    )
    assert said.endswith(f" are in {tmp_path / 'run.failures.log'}")


def test_a_log_that_can_not_be_written_is_told_to_the_user_instead(tmp_path: Path) -> None:
    process = Process(tmp_path)
    (tmp_path / "run.failures.log").mkdir()
    process.settle(3, MemoryError(), None)
    (said,) = process.said
    assert "run.failures.log can't be written (Is a directory), so here it is:\nTraceback (most recent call" in said


def test_the_last_chunk_has_failed_when_there_is_no_next_one(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.settle(3)
    assert told(process.settle(4, MemoryError())) == []
    assert told(process.attempts.rest()) == ["4 failed: MemoryError"]


def test_failures_of_two_chunks_in_a_row_end_the_process_before_the_first(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.settle(3)
    assert told(process.settle(4, MemoryError())) == []
    with pytest.raises(EndOfProcessError) as ended:
        process.settle(5, RuntimeError("no"))
    assert str(ended.value) == (
        "chunk 4 (rows 40 to 49) and chunk 5 (rows 50 to 59) failed one after the other, so it may be this process "
        "(MemoryError; RuntimeError: no)"
    )
    assert process.attempted == [3, 4, 4, 4, 5]


def test_rows_that_need_no_model_say_nothing_of_the_process(tmp_path: Path) -> None:
    process = Process(tmp_path)
    assert told(process.settle(4, MemoryError())) == []
    assert told(process.settle(5, usable=False)) == []
    with pytest.raises(EndOfProcessError):
        process.settle(6, MemoryError())
    other = Process(tmp_path)
    other.settle(8, MemoryError())
    other.settle(9, usable=False)
    assert told(other.settle(10)) == ["8 failed: MemoryError", "9", "10"]


def test_a_chunk_that_fails_in_a_second_process_has_failed_and_the_run_goes_on(tmp_path: Path) -> None:
    first = Process(tmp_path)
    first.settle(4, MemoryError())
    with pytest.raises(EndOfProcessError):
        first.settle(5, MemoryError())
    second = Process(tmp_path)
    assert told(second.settle(4, MemoryError())) == ["4 failed: MemoryError"]
    assert told(second.settle(5)) == ["5"]


def test_chunks_that_failed_with_their_process_are_encoded_by_the_next_one(tmp_path: Path) -> None:
    first = Process(tmp_path)
    first.settle(4, MemoryError())
    with pytest.raises(EndOfProcessError):
        first.settle(5, MemoryError())
    second = Process(tmp_path)
    assert [told(second.settle(index)) for index in (4, 5)] == [["4"], ["5"]]


def test_an_error_of_the_gpu_ends_the_process_at_once(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.settle(3)
    with pytest.raises(EndOfProcessError) as ended:
        process.settle(4, CUDA)
    assert str(ended.value) == (
        "chunk 4 (rows 40 to 49) failed with an error after which this process can't compute any more "
        "(RuntimeError: CUDA error: device-side assert triggered)"
    )
    assert process.attempted == [3, 4]


def test_a_chunk_with_an_error_of_the_gpu_in_two_processes_has_failed_and_the_second_ends_after_it(
    tmp_path: Path,
) -> None:
    with pytest.raises(EndOfProcessError):
        Process(tmp_path).settle(4, CUDA)
    second = Process(tmp_path)
    assert told(second.settle(4, CUDA)) == ["4 failed: RuntimeError: CUDA error: device-side assert triggered"]
    with pytest.raises(EndOfProcessError):
        second.settle(5)
    assert second.attempted == [4]


def test_a_run_is_finished_by_a_process_that_can_not_compute_any_more_if_nothing_is_left_to_compute(
    tmp_path: Path,
) -> None:
    with pytest.raises(EndOfProcessError):
        Process(tmp_path).settle(4, CUDA)
    second = Process(tmp_path)
    second.settle(4, CUDA)
    assert told(second.attempts.rest()) == []


def test_where_nothing_was_ever_encoded_it_is_said_and_what_that_looks_like(tmp_path: Path) -> None:
    process = Process(tmp_path, anything_encoded=False)
    process.settle(0, RuntimeError("too large"))
    with pytest.raises(EndOfProcessError) as ended:
        process.settle(1, RuntimeError("too large"))
    assert str(ended.value) == (
        "no chunk could be encoded: RuntimeError: too large. The first chunks all fail so: this looks like the models "
        "or the settings, not like the rows"
    )


def test_a_chunk_that_hung_in_three_processes_is_not_tried_again(tmp_path: Path) -> None:
    for hangs in (1, 2):
        assert Process(tmp_path).attempts.hung(4) == hangs
    tried = Process(tmp_path)
    assert told(tried.settle(4)) == ["4"]
    assert tried.attempts.hung(4) == 3
    last = Process(tmp_path)
    assert told(last.settle(4)) == ["4 failed: it hung in 3 processes"]
    assert last.attempted == []


def test_forgetting_gives_chunks_all_attempts_again(tmp_path: Path) -> None:
    first = Process(tmp_path)
    first.settle(4, MemoryError())
    first.attempts.forget()
    assert list(tmp_path.rglob("attempts.json")) == []
    assert told(Process(tmp_path).settle(4, MemoryError())) == []


def test_damaged_notes_of_attempts_are_as_none(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "attempts.json").write_text("{")
    assert told(Process(tmp_path).settle(4)) == ["4"]


@pytest.mark.parametrize("wish", [KeyboardInterrupt(), SystemExit(1)])
def test_an_orderly_stop_is_no_failed_attempt(wish: BaseException, tmp_path: Path) -> None:
    process = Process(tmp_path)
    with pytest.raises(type(wish)):
        process.settle(4, wish)
    assert (process.attempted, process.said) == ([4], [])
    assert list(tmp_path.rglob("*")) == []


def test_a_stop_between_attempts_is_none_either(tmp_path: Path) -> None:
    process = Process(tmp_path)

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    process.attempts._pause = interrupt
    with pytest.raises(KeyboardInterrupt):
        process.settle(4, MemoryError())
    assert list(tmp_path.rglob("attempts.json")) == []


class Tensor:
    """Stands for memory that an attempt takes."""


def test_what_a_failed_attempt_held_is_free_before_the_next(tmp_path: Path) -> None:
    held: list[weakref.ref[Tensor]] = []
    free: list[bool] = []

    def encode() -> ChunkResult:
        free.extend(tensor() is None for tensor in held)
        activations = Tensor()
        held.append(weakref.ref(activations))
        raise MemoryError

    gc.disable()  # it must not be luck
    try:
        Process(tmp_path).attempts.settle(chunk_of(4), encode)
    finally:
        gc.enable()
    assert free == [True, True, True]


def settle_all(process: Process, fails: Callable[[int], bool], first: int, chunks: int) -> list[str]:
    """What a process merges of so many chunks, until it ends."""
    merged: list[str] = []
    try:
        for index in range(first, chunks):
            merged += told(process.settle(index, RuntimeError("bad") if fails(index) else None))
        merged += told(process.attempts.rest())
    except EndOfProcessError:
        merged.append("ended")
    return merged


@pytest.mark.parametrize("bad", [{0}, {0, 1}, {2, 3}, {5}, {1, 2, 3}, {3, 4, 5}, {0, 1, 2, 3, 4}, {0, 2, 4}])
def test_with_fresh_processes_exactly_the_bad_chunks_fail(bad: set[int], tmp_path: Path) -> None:
    merged: list[str] = []
    processes = 0
    while len(merged) < 6:
        processes += 1
        merged += settle_all(Process(tmp_path), bad.__contains__, len(merged), 6)
        if merged[-1] == "ended":
            merged.pop()
    assert merged == [f"{index} failed: RuntimeError: bad" if index in bad else f"{index}" for index in range(6)]
    assert processes <= 1 + len(bad) // 2
