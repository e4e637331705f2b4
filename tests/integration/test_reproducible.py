"""Runs that are repeated, killed, interrupted and resumed leave the same bytes; and what can't be resumed says so.

What a killed process leaves on disk changes only when a file is renamed into place, so processes kill themselves just
before a rename: the seeds pick which. One is killed from outside too, wherever it happens to be.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from sparse_autoencoder import cli
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.pipeline.single_process import resume, run
from sparse_autoencoder.runs.run_state import RunState
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.runs import World, files_of, interrupted_run, make_world, read_json

pytestmark = pytest.mark.usefixtures("quick")

REPOSITORY = Path(__file__).resolve().parents[2]
TIMEOUT_S = 120
POLL_S = 0.02
OPTIONS = {"chunk_size": 4, "seed": 3}
CHUNKS = 23  # 90 rows, 4 at a time
TIMES = ("run_id", "started_at", "finished_at", "seconds")
# saves the state as often as it may, and sends itself a signal just before the N-th rename to a path that contains NAME
RUNNER = """
import os, sys
from sparse_autoencoder import cli
from sparse_autoencoder.pipeline import single_process
single_process.SAVE_EVERY_S = 0.0
number, name, left = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
def watch(event, args):
    global left
    if event == "os.rename" and name in str(args[1]):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), number)
sys.addaudithook(watch)
sys.exit(cli.main(sys.argv[4:]))
"""

VOCABULARY = ["vocabulary.json", "vocabulary_bytes.json"]


@pytest.fixture(scope="module")
def undisturbed(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing happened to."""
    output = tmp_path_factory.mktemp("undisturbed")
    done = python("sparse_autoencoder/main.py", *world.flags(output, **OPTIONS))
    assert done.returncode == 0, done.stderr
    return only_run(output)


def python(*args: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *args],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def disturbed(number: signal.Signals, name: str, nth: int, flags: list[str]) -> subprocess.CompletedProcess[str]:
    """A command that is sent a signal before its nth rename to a path that contains `name`."""
    return python("-c", RUNNER, str(int(number)), name, str(nth), *flags)


def only_run(output: Path) -> Path:
    (found,) = (path for path in output.iterdir() if path.is_dir())
    return found


def assert_same_run(found: Path, expected: Path) -> None:
    """Equal bytes in equal files; metadata.json may differ in times and the run's name."""
    files, wanted = files_of(found), files_of(expected)
    assert list(files) == list(wanted)
    assert [name for name in files if files[name] != wanted[name]] == []
    metadata, wanted_metadata = (read_json(folder, "metadata.json") for folder in (found, expected))
    for name in TIMES:
        del metadata[name], wanted_metadata[name]
    assert metadata == wanted_metadata


def test_a_run_leaves_its_published_files_and_nothing_else(undisturbed: Path) -> None:
    prompts = [f"prompts/{chunk:06d}.parquet" for chunk in range(CHUNKS)]
    statistics = ["features/00000.parquet", "overview.parquet", "positions.parquet", "text_sums.parquet"]
    tokens = ["features_by_token.parquet", "tokens_by_feature.parquet"]
    weights = ["logit_effects.parquet", "neighbours.parquet"]
    names = ["feature_stats.json", "feature_tokens.json", "prompts.jsonl", "skipped.jsonl", *VOCABULARY]
    assert sorted(files_of(undisturbed)) == sorted([*names, *prompts, *statistics, *tokens, *weights])
    assert [path for path in undisturbed.rglob("*") if path.name.startswith(".")] == []


def test_two_runs_of_the_same_command_leave_the_same_bytes(world: World, undisturbed: Path, tmp_path: Path) -> None:
    done = python("sparse_autoencoder/main.py", *world.flags(tmp_path, **OPTIONS))
    assert done.returncode == 0, done.stderr
    assert_same_run(only_run(tmp_path), undisturbed)


@pytest.mark.parametrize(
    ("seed", "name", "nth"),
    [
        (0, "", 4),  # early in the second attempt, whatever it is that is written
        (1, "features_by_token.parquet", 1),  # while publishing
        (2, "metadata.json", 2),  # all is published, but not yet said to be complete
    ],
)
def test_a_run_killed_twice_and_resumed_leaves_the_same_bytes(
    world: World, undisturbed: Path, tmp_path: Path, seed: int, name: str, nth: int
) -> None:
    # the first files are metadata.json and vocabulary.json, without which there is nothing to resume
    moment = random.Random(seed).randint(3, CHUNKS)
    first = disturbed(signal.SIGKILL, str(tmp_path), moment, world.flags(tmp_path, **OPTIONS))
    assert first.returncode == -signal.SIGKILL, first.stderr
    killed = only_run(tmp_path)
    assert read_json(killed, "metadata.json")["status"] == "running"
    flags = ["--resume", killed.name, "--output", str(tmp_path)]
    second = disturbed(signal.SIGKILL, name or str(tmp_path), nth, flags)
    assert second.returncode == -signal.SIGKILL, second.stderr
    assert (killed / "feature_stats.json").exists() == bool(name)
    resume(killed.name, DirectoryStore(tmp_path))
    assert_same_run(killed, undisturbed)


def test_a_run_killed_from_outside_and_resumed_leaves_the_same_bytes(
    world: World, undisturbed: Path, tmp_path: Path
) -> None:
    flags = world.flags(tmp_path, **OPTIONS)
    with subprocess.Popen([sys.executable, "-m", "services.cli", "run", *flags], cwd=REPOSITORY) as process:
        deadline = time.monotonic() + TIMEOUT_S
        try:
            while not list(tmp_path.glob("*/prompts/000005.parquet")):
                assert time.monotonic() < deadline
                with suppress(subprocess.TimeoutExpired):
                    pytest.fail(f"it ended by itself, with status {process.wait(POLL_S)}")
        finally:
            process.kill()
    resume(only_run(tmp_path).name, DirectoryStore(tmp_path))
    assert_same_run(only_run(tmp_path), undisturbed)


@pytest.mark.parametrize(
    ("stop", "name"),
    [
        (signal.SIGINT, "prompts/000011.parquet"),
        (signal.SIGINT, "feature_stats.json"),
        (signal.SIGTERM, "token_tables/000011.parquet"),
    ],
)
def test_ctrl_c_and_sigterm_leave_an_interrupted_run_that_resume_completes_to_the_same_bytes(
    world: World, undisturbed: Path, tmp_path: Path, stop: signal.Signals, name: str
) -> None:
    done = disturbed(stop, name, 1, world.flags(tmp_path, **OPTIONS))
    assert done.returncode == 130
    advice = "saescope: interrupted; go on with: saescope run --resume "
    assert done.stderr.splitlines()[-1].startswith(advice)
    stopped = only_run(tmp_path)
    metadata = read_json(stopped, "metadata.json")
    assert metadata["status"] == "interrupted"
    # the chunk that is being kept when the signal comes may still be, and the one that is being encoded
    assert metadata["num_records"] in ((44, 48, 52) if "000011" in name else (90,))
    resume(stopped.name, DirectoryStore(tmp_path))
    assert_same_run(stopped, undisturbed)


def test_ctrl_c_while_a_chunk_is_merged_leaves_the_state_before_or_after_it(
    world: World, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    merge = RunState.merge

    def merge_and_interrupt(state: RunState, part: RunState) -> RunState:
        merged = merge(state, part)
        if part.next_chunk == 7:
            os.kill(os.getpid(), signal.SIGINT)
        return merged

    monkeypatch.setattr(RunState, "merge", merge_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(world.options(**OPTIONS), DirectoryStore(tmp_path))
    monkeypatch.undo()
    stopped = only_run(tmp_path)
    assert read_json(stopped, "metadata.json")["num_records"] in (24, 28, 32)  # six chunks, or it and the next as well
    resume(stopped.name, DirectoryStore(tmp_path))
    assert_same_run(stopped, undisturbed)


def test_a_resumed_run_does_not_encode_again_what_was_saved(world: World, tmp_path: Path) -> None:
    folder = tmp_path / interrupted_run(world.options(**OPTIONS), tmp_path, "prompts/000003.parquet") / "prompts"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert sorted(before) == ["000000.parquet", "000001.parquet", "000002.parquet"]
    resume(folder.parent.name, DirectoryStore(tmp_path))
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(after) == CHUNKS
    assert {name: after[name] for name in before} == before


def test_a_complete_run_can_not_be_resumed(undisturbed: Path) -> None:
    with pytest.raises(SaescopeError, match=f"^run {undisturbed.name} is complete: there is nothing to resume$"):
        resume(undisturbed.name, DirectoryStore(undisturbed.parent))


@pytest.mark.parametrize("name", ["20260101-000000_run-001", "..", "../other", "", "/etc"])
def test_a_run_that_does_not_exist_can_not_be_resumed(tmp_path: Path, name: str) -> None:
    with pytest.raises(SaescopeError, match=r"^there is no run "):
        resume(name, DirectoryStore(tmp_path))


def test_a_run_whose_source_has_changed_can_not_be_resumed(tmp_path: Path) -> None:
    world = make_world(tmp_path / "world")
    run_id = interrupted_run(world.options(), tmp_path / "runs", "prompts/000003.parquet")
    with world.rows.open("a") as file:
        file.write('{"title": "one more"}\n')
    with pytest.raises(SaescopeError, match=r"can't be resumed, its source has changed: bytes was .*; start a new run"):
        resume(run_id, DirectoryStore(tmp_path / "runs"))


def test_a_run_whose_autoencoder_has_changed_can_not_be_resumed(tmp_path: Path) -> None:
    world = make_world(tmp_path / "world")
    run_id = interrupted_run(world.options(), tmp_path / "runs", "prompts/000003.parquet")
    make_world(tmp_path / "other", seed=1).topk.replace(world.topk)
    with pytest.raises(SaescopeError, match="can't be resumed, its autoencoder has changed: sha256 was"):
        resume(run_id, DirectoryStore(tmp_path / "runs"))


def test_resuming_takes_no_other_flags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.main(["--resume", "some-run", "--seed", "4", "--max-rows", "9", "--output", str(tmp_path)])
    assert status == 2
    message = capsys.readouterr().err
    assert message.startswith("saescope: --resume takes everything from the run, so leave out ")
    assert "--seed" in message
    assert "--max-rows" in message
