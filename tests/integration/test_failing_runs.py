"""`saescope run` when chunks, reading or writing fail: what the run becomes, and that it goes on to the same bytes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch

from sparse_autoencoder import cli
from sparse_autoencoder.data.row_skip_rules import Record
from sparse_autoencoder.data.source import Source
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.pipeline import single_process
from sparse_autoencoder.pipeline.chunk_encoder import Encoder
from sparse_autoencoder.pipeline.single_process import resume, run
from sparse_autoencoder.runs.run_state import RunState
from sparse_autoencoder.runs.store import DirectoryStore
from sparse_autoencoder.tokens.tokenizer import RowTokenizer
from tests.support.commands import one_sentence
from tests.support.faults import failing, when_encoding
from tests.support.runs import World, files_of, read_json
from tests.unit.utils.test_failure_rule import panic

pytestmark = pytest.mark.usefixtures("quick")

OPTIONS = {"chunk_size": 10}
CHUNKS = 9  # of 90 rows
SHORT_S = 0.2
CUDA = RuntimeError("CUDA error: device-side assert triggered\nand what to do about it")

VOCABULARY = ["vocabulary.json", "vocabulary_bytes.json"]


@pytest.fixture(scope="module")
def undisturbed(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing happened to."""
    root = tmp_path_factory.mktemp("undisturbed")
    return root / run(world.options(**OPTIONS), DirectoryStore(root)).run_id


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path)


def only_run(store: DirectoryStore) -> Path:
    (found,) = (path for path in store.root.iterdir() if path.is_dir())
    return found


def metadata_of(run: Path) -> Any:
    return read_json(run, "metadata.json")


def log_of(run: Path) -> str:
    return run.with_name(f"{run.name}.failures.log").read_text()


def refused(world: World, store: DirectoryStore) -> str:
    """What a run says when it fails."""
    with pytest.raises(SaescopeError) as failed:
        run(world.options(**OPTIONS), store)
    return str(failed.value)


# --- chunks ---


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "MemoryError"),
        (IndexError("index 9 is out of bounds"), "IndexError: index 9 is out of bounds"),
        (RuntimeError(), "RuntimeError"),
        (panic(), "PanicException: Onig: Regex search error: retry-limit-in-match over"),
    ],
)
def test_whatever_a_chunk_raises_it_is_listed_and_the_run_goes_on(
    error: BaseException, told: str, world: World, store: DirectoryStore
) -> None:
    with when_encoding(failing(error, 4)) as attempts:
        metadata = run(world.options(**OPTIONS), store)
    assert metadata.status == "completed_with_errors"
    assert [(failed.chunk, failed.error) for failed in metadata.failed_chunks] == [(4, told)]
    assert (attempts[3], attempts[4], attempts[5]) == (1, 3, 1)


def test_an_attempt_that_fails_leaves_its_traceback_and_nothing_else(
    world: World, undisturbed: Path, store: DirectoryStore, capsys: pytest.CaptureFixture[str]
) -> None:
    attempts = iter([MemoryError(), MemoryError(), None])

    def happen(chunk: int) -> None:
        if chunk == 4 and (error := next(attempts)):
            raise error

    with when_encoding(happen):
        metadata = run(world.options(**OPTIONS), store)
    assert (metadata.status, metadata.failed_chunks) == ("complete", [])
    assert files_of(only_run(store)) == files_of(undisturbed)
    assert log_of(only_run(store)).count("failed (MemoryError)\nTraceback (most recent call last):\n") == 2
    assert "attempt 1 at chunk 4 (rows 40 to 49) failed (MemoryError); details" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("errors", "sentence"),
    [
        (
            {4: MemoryError(), 5: RuntimeError("no")},
            "chunk 4 (rows 40 to 49) and chunk 5 (rows 50 to 59) failed one after the other, so it may be this process "
            "(MemoryError; RuntimeError: no)",
        ),
        (
            {4: CUDA},
            "chunk 4 (rows 40 to 49) failed with an error after which this process can't compute any more "
            "(RuntimeError: CUDA error: device-side assert triggered)",
        ),
    ],
)
def test_a_process_that_may_be_broken_ends_and_a_fresh_one_loses_nothing(
    errors: dict[int, Exception], sentence: str, world: World, undisturbed: Path, store: DirectoryStore
) -> None:
    def happen(chunk: int) -> None:
        if error := errors.get(chunk):
            raise error

    with when_encoding(happen):
        said = refused(world, store)
    stopped = only_run(store)
    assert said == (
        f"{sentence}; go on in a fresh process: `saescope run --resume {stopped.name} --output {store.root}`"
    )
    metadata = metadata_of(stopped)
    assert (metadata["status"], metadata["error"], metadata["failed_chunks"]) == ("failed", sentence, [])
    assert metadata["num_records"] == 40
    with when_encoding(lambda _chunk: None) as attempts:
        assert resume(stopped.name, store).status == "complete"
    assert sorted(attempts) == [4, 5, 6, 7, 8]
    assert files_of(stopped) == files_of(undisturbed)


def test_a_chunk_that_breaks_two_processes_is_left_out_by_a_third(world: World, store: DirectoryStore) -> None:
    with when_encoding(failing(CUDA, 4)) as attempts:
        refused(world, store)
        run_id = only_run(store).name
        with pytest.raises(SaescopeError, match="go on in a fresh process"):
            resume(run_id, store)
        metadata = resume(run_id, store)
    assert metadata.status == "completed_with_errors"
    assert [failed.chunk for failed in metadata.failed_chunks] == [4]
    assert attempts[4] == 2


def test_a_run_of_which_all_chunks_fail_says_so_and_what_it_looks_like(world: World, store: DirectoryStore) -> None:
    with when_encoding(failing(RuntimeError("too large"), *range(CHUNKS))):
        said = refused(world, store)
        stopped = only_run(store)
        assert said.startswith("no chunk could be encoded: RuntimeError: too large. The first chunks all fail so: this")
        assert metadata_of(stopped)["status"] == "failed"
        with pytest.raises(SaescopeError, match=r"^no chunk could be encoded: RuntimeError: too large\."):
            resume(stopped.name, store)


def test_a_run_whose_only_chunk_fails_is_tried_again_as_a_whole(
    world: World, undisturbed: Path, store: DirectoryStore
) -> None:
    with when_encoding(failing(MemoryError(), 0)), pytest.raises(SaescopeError) as failed:
        run(world.options(chunk_size=1000), store)
    assert str(failed.value) == "no chunk could be encoded: MemoryError"
    stopped = only_run(store)
    assert sorted(files_of(stopped)) == VOCABULARY
    assert resume(stopped.name, store).status == "complete"


# --- reading and writing ---


def test_an_error_in_the_reading_thread_ends_the_run_with_a_sentence_and_what_was_computed(
    world: World, undisturbed: Path, store: DirectoryStore
) -> None:
    first = single_process._first

    def records(*arguments: Any) -> Iterator[Record]:
        for number, record in enumerate(first(*arguments)):
            if number == 55:
                raise panic()
            yield record

    with mock.patch.object(single_process, "_first", records):
        said = refused(world, store)
    stopped = only_run(store)
    why = "PanicException: Onig: Regex search error: retry-limit-in-match over"
    assert said == (
        f"the run failed unexpectedly ({why}; see {stopped}.failures.log); "
        f"go on with it: `saescope run --resume {stopped.name} --output {store.root}`"
    )
    metadata = metadata_of(stopped)
    assert (metadata["status"], metadata["error"], metadata["num_records"]) == ("failed", why, 50)
    assert "in records\n    raise panic()\n" in log_of(stopped)
    with when_encoding(lambda _chunk: None) as attempts:
        resume(stopped.name, store)
    assert min(attempts) == 5
    assert files_of(stopped) == files_of(undisturbed)


@pytest.mark.parametrize("error", [MemoryError(), panic()])
def test_an_error_in_the_keeping_thread_ends_the_run_with_a_sentence_and_what_was_computed(
    error: BaseException, world: World, undisturbed: Path, store: DirectoryStore
) -> None:
    merge = RunState.merge

    def fail(state: RunState, part: RunState) -> RunState:
        if part.next_chunk == 5:
            raise error
        return merge(state, part)

    with mock.patch.object(RunState, "merge", fail):
        said = refused(world, store)
    stopped = only_run(store)
    assert said.startswith(f"the run failed unexpectedly ({type(error).__name__}")
    assert (metadata_of(stopped)["status"], metadata_of(stopped)["num_records"]) == ("failed", 40)
    resume(stopped.name, store)
    assert files_of(stopped) == files_of(undisturbed)


@pytest.mark.parametrize("name", ["publish", "check_outcome"])
def test_an_error_while_publishing_ends_the_run_with_a_sentence_and_all_that_was_computed(
    name: str, world: World, undisturbed: Path, store: DirectoryStore
) -> None:
    with mock.patch(f"sparse_autoencoder.pipeline.run_ending.{name}", side_effect=MemoryError):
        said = refused(world, store)
    assert said.startswith("the run failed unexpectedly (MemoryError; see ")
    stopped = only_run(store)
    with when_encoding(lambda _chunk: None) as attempts:
        resume(stopped.name, store)
    assert not attempts
    assert files_of(stopped) == files_of(undisturbed)


def test_the_command_says_an_unexpected_error_in_one_line_and_gives_the_command_to_go_on(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with mock.patch.object(RunState, "merge", side_effect=ZeroDivisionError("division by zero")):
        assert cli.main(world.flags(Path("my runs"), **OPTIONS)) == 2
    stopped = only_run(DirectoryStore(tmp_path / "my runs"))
    assert one_sentence(capsys.readouterr().err) == (
        f"the run failed unexpectedly (ZeroDivisionError: division by zero; see my runs/{stopped.name}.failures.log); "
        f"go on with it: `saescope run --resume {stopped.name} --output 'my runs'`"
    )
    assert cli.main(["--resume", stopped.name, "--output", "my runs"]) == 0


def test_an_unexpected_error_before_there_is_a_run_is_a_sentence_with_a_file_that_has_the_traceback(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with mock.patch("sparse_autoencoder.pipeline.single_process.load_models", side_effect=MemoryError):
        assert cli.main(world.flags(tmp_path / "runs")) == 2
    (log,) = tmp_path.glob("saescope-*.log")
    sentence = one_sentence(capsys.readouterr().err)
    assert sentence == f"the run could not be begun, unexpectedly (MemoryError; see {log})"
    assert "Traceback (most recent call last):" in log.read_text()


def test_a_run_from_standard_input_is_gone_on_with_by_giving_it_again(world: World, store: DirectoryStore) -> None:
    with mock.patch.object(Source, "is_stream", True), when_encoding(failing(CUDA, 4)):
        assert refused(world, store).endswith(f"--output {store.root}`, with the same input again")


def test_a_patience_that_is_none_is_refused_before_anything_is_written(
    world: World, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAESCOPE_PATIENCE_S", "for ever")
    assert refused(world, store).startswith("SAESCOPE_PATIENCE_S is 'for ever', but it must be a number of seconds")
    assert list(store.root.iterdir()) == []


# --- the tokenizer ---


def test_a_tokenizer_that_fails_on_everything_ends_the_run(world: World, store: DirectoryStore) -> None:
    with mock.patch.object(RowTokenizer, "encode", side_effect=panic()):
        said = refused(world, store)
    assert said == (
        "the language model's tokenizer fails whatever the text (PanicException: Onig: Regex search error: "
        "retry-limit-in-match over): check its tokenizer.json"
    )
    assert metadata_of(only_run(store))["status"] == "failed"


# --- an orderly stop ---


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_takes_effect_between_batches_and_is_no_failed_attempt(
    threads: int, stop: signal.Signals, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    encode_batch, batches = Encoder._encode_batch, 0

    def stopped_at_third(*arguments: Any, **more: Any) -> Any:
        nonlocal batches
        batches += 1
        if batches == 3:
            os.kill(os.getpid(), stop)
        if batches >= 3 and threads > 1:
            threading.Event().wait(SHORT_S)  # so that the main thread comes to it
        return encode_batch(*arguments, **more)

    torch.set_num_threads(threads)
    try:
        with mock.patch.object(Encoder, "_encode_batch", stopped_at_third):
            assert cli.main(world.flags(tmp_path, chunk_size=90)) == 130  # one chunk, of eleven batches
    finally:
        torch.set_num_threads(1)
    assert batches <= 2 + threads
    assert one_sentence(capsys.readouterr().err).startswith("interrupted; go on with: saescope run --re")
    stopped = only_run(DirectoryStore(tmp_path))
    metadata = metadata_of(stopped)
    assert (metadata["status"], metadata["num_records"], metadata["failed_chunks"]) == ("interrupted", 0, [])
    assert sorted(files_of(stopped)) == ["state/000000", *VOCABULARY]
    assert list(tmp_path.glob("*.log")) == []
