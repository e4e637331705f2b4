"""`saescope run --retry-failed`: failed chunks are tried again, and the result is that of a run that never failed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from unittest import mock

import pytest

from sparse_autoencoder import cli
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.pipeline import single_process
from sparse_autoencoder.pipeline.single_process import resume, retry_failed, run
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.metadata import PUBLISHED
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.faults import failing, when_encoding
from tests.support.runs import InterruptedStore, World, files_of, interrupted_run, make_world, read_json

pytestmark = pytest.mark.usefixtures("quick")

OPTIONS = {"chunk_size": 10}  # of 90 rows: chunks 0 to 8
TIMES = ("run_id", "started_at", "finished_at", "seconds")


@pytest.fixture(scope="module")
def undisturbed(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing happened to."""
    root = tmp_path_factory.mktemp("undisturbed")
    return root / run(world.options(**OPTIONS), DirectoryStore(root)).run_id


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "runs")


def run_with_failures(world: World, store: DirectoryStore, *chunks: int) -> Path:
    """The folder of a finished run of which these chunks failed."""
    with when_encoding(failing(MemoryError(), *chunks)):
        metadata = run(world.options(**OPTIONS), store)
    assert [failed.chunk for failed in metadata.failed_chunks] == list(chunks)
    return store.root / metadata.run_id


def assert_same_run(found: Path, expected: Path) -> None:
    """Equal bytes in equal files; metadata.json may differ in times and the run's name."""
    assert [path for path in found.rglob("*") if path.name.startswith(".")] == []
    assert files_of(found) == files_of(expected)
    metadata, wanted = read_json(found, "metadata.json"), read_json(expected, "metadata.json")
    for name in TIMES:
        del metadata[name], wanted[name]
    assert metadata == wanted


def everything_of(run: Path) -> dict[str, bytes]:
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_the_result_has_the_bytes_of_a_run_that_never_failed_and_only_what_follows_is_computed_again(
    world: World, undisturbed: Path, store: DirectoryStore, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run_with_failures(world, store, 4, 7)
    with when_encoding(lambda _chunk: None) as attempts:
        metadata = retry_failed(folder.name, store)
    assert (metadata.status, metadata.failed_chunks) == ("complete", [])
    assert sorted(attempts) == [4, 5, 6, 7, 8]
    assert_same_run(folder, undisturbed)
    said = "goes on from chunk 4: the state before it was kept; chunks 4 to 8 are computed again"
    assert f"saescope: run {folder.name}: {said}\n" in capsys.readouterr().err


def test_a_run_of_an_earlier_version_that_kept_nothing_is_computed_again_as_a_whole(
    world: World, undisturbed: Path, store: DirectoryStore, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run_with_failures(world, store, 4)
    shutil.rmtree(folder / "before-failures")
    with when_encoding(lambda _chunk: None) as attempts:
        retry_failed(folder.name, store)
    assert sorted(attempts) == list(range(9))
    assert_same_run(folder, undisturbed)
    assert "everything is computed again, chunks 0 to 8, since no state before them was kept" in capsys.readouterr().err


def test_chunks_that_fail_again_are_listed_again_and_can_be_tried_once_more(
    world: World, undisturbed: Path, store: DirectoryStore
) -> None:
    folder = run_with_failures(world, store, 4)
    with when_encoding(failing(MemoryError(), 4, 6)):
        metadata = retry_failed(folder.name, store)
    assert metadata.status == "completed_with_errors"
    assert [failed.chunk for failed in metadata.failed_chunks] == [4, 6]
    assert_same_run(folder, run_with_failures(world, DirectoryStore(store.root / "other"), 4, 6))
    retry_failed(folder.name, store)
    assert_same_run(folder, undisturbed)


def test_another_chunk_that_fails_this_time_is_tried_again_from_before_it(
    world: World, undisturbed: Path, store: DirectoryStore
) -> None:
    folder = run_with_failures(world, store, 4)
    with when_encoding(failing(MemoryError(), 6)):
        retry_failed(folder.name, store)
    with when_encoding(lambda _chunk: None) as attempts:
        retry_failed(folder.name, store)
    assert sorted(attempts) == [6, 7, 8]
    assert_same_run(folder, undisturbed)


@pytest.mark.parametrize("name", ["prompts/000004.parquet", "prompts/000006.parquet", "feature_stats.json"])
def test_a_retry_that_is_interrupted_is_resumed_to_the_same_bytes(
    name: str, world: World, undisturbed: Path, store: DirectoryStore
) -> None:
    folder = run_with_failures(world, store, 4)
    with suppress(KeyboardInterrupt):
        retry_failed(folder.name, InterruptedStore(store.root, name))
    assert read_json(folder, "metadata.json")["status"] == "interrupted"
    resume(folder.name, store)
    assert_same_run(folder, undisturbed)


def test_a_retry_whose_process_is_lost_at_its_beginning_is_resumed_from_there(
    world: World, undisturbed: Path, store: DirectoryStore
) -> None:
    folder = run_with_failures(world, store, 4)
    with mock.patch.object(single_process, "_keeping", side_effect=SystemExit), pytest.raises(SystemExit):
        retry_failed(folder.name, store)
    assert read_json(folder, "metadata.json")["status"] in PUBLISHED  # nothing was begun yet
    with when_encoding(failing(SystemExit(), 4)), pytest.raises(SystemExit):
        retry_failed(folder.name, store)
    assert read_json(folder, "metadata.json")["status"] == "running"
    with when_encoding(lambda _chunk: None) as attempts:
        resume(folder.name, store)
    assert sorted(attempts) == [4, 5, 6, 7, 8]
    assert_same_run(folder, undisturbed)


def lose_source(world: World) -> None:
    world.rows.unlink()


def change_source(world: World) -> None:
    with world.rows.open("a") as file:
        file.write('{"title": "one more"}\n')


def change_autoencoder(world: World) -> None:
    make_world(world.rows.parent / "other", seed=1).topk.replace(world.topk)


def damage_source(world: World) -> None:
    world.rows.write_bytes(b"\0" * world.rows.stat().st_size)  # of the same size


@pytest.mark.parametrize("happen", [lose_source, change_source, change_autoencoder, damage_source])
def test_a_retry_that_can_not_begin_leaves_the_finished_run_as_it_was(
    happen: Callable[[World], None], tmp_path: Path, store: DirectoryStore
) -> None:
    world = make_world(tmp_path / "world")
    folder = run_with_failures(world, store, 4)
    before = everything_of(folder)
    happen(world)
    with pytest.raises(SaescopeError):
        retry_failed(folder.name, store)
    assert everything_of(folder) == before


def test_a_retry_that_can_not_read_the_source_as_far_as_it_was_leaves_the_finished_run_as_it_was(
    world: World, store: DirectoryStore
) -> None:
    folder = run_with_failures(world, store, 4)
    before = everything_of(folder)
    with mock.patch.object(single_process, "_first", side_effect=MemoryError), pytest.raises(SaescopeError) as failed:
        retry_failed(folder.name, store)
    assert str(failed.value).endswith(f"`saescope run --retry-failed {folder.name} --output {store.root}`")
    fewer = pytest.raises(SaescopeError, match=r"^rows\.jsonl has fewer rows than before: nothing was changed$")
    with mock.patch.object(single_process, "_first", lambda source, _most: list(source)[:40]), fewer:
        retry_failed(folder.name, store)
    assert everything_of(folder) == before


def test_a_state_that_a_finished_run_left_behind_is_not_taken_for_the_retry_s(
    world: World, undisturbed: Path, store: DirectoryStore
) -> None:
    folder = run_with_failures(world, store, 4)
    store.put(f"{folder.name}/state/000009", b"of the finished run")
    with suppress(KeyboardInterrupt):
        retry_failed(folder.name, InterruptedStore(store.root, "prompts/000006.parquet"))
    resume(folder.name, store)
    assert_same_run(folder, undisturbed)


# --- what is said ---


def test_resuming_such_a_run_names_the_flag_instead(world: World, store: DirectoryStore) -> None:
    folder = run_with_failures(world, store, 4)
    with pytest.raises(SaescopeError) as refused:
        resume(folder.name, store)
    assert str(refused.value) == (
        f"run {folder.name} is completed with errors: there is nothing to resume; "
        f"`saescope run --retry-failed {folder.name} --output {store.root}` tries its failed chunks again"
    )


def test_a_complete_run_has_nothing_to_retry(undisturbed: Path) -> None:
    with pytest.raises(SaescopeError, match=f"^run {undisturbed.name} is complete: no chunk of it failed$"):
        retry_failed(undisturbed.name, DirectoryStore(undisturbed.parent))


def test_an_unfinished_run_is_to_be_resumed_first(world: World, store: DirectoryStore) -> None:
    run_id = interrupted_run(world.options(**OPTIONS), store.root, "prompts/000003.parquet")
    with pytest.raises(SaescopeError) as refused:
        retry_failed(run_id, store)
    assert str(refused.value) == (
        f"run {run_id} is interrupted: go on with it first, `saescope run --resume {run_id} --output {store.root}`"
    )


def test_the_command_names_what_is_missing_and_the_command_that_tries_it_again(
    world: World, undisturbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with when_encoding(failing(MemoryError(), 4)):
        assert cli.main(world.flags(Path("analysis_data"), **OPTIONS)) == 0
    (folder,) = (path for path in (tmp_path / "analysis_data").iterdir() if path.is_dir())
    printed = [line for line in capsys.readouterr().out.splitlines() if "self-check" not in line]
    assert printed[-3:-1] == [
        "missing: rows 40 to 49, chunk 4 failed: MemoryError",
        f"try what is missing again: saescope run --retry-failed {folder.name}",
    ]
    assert cli.main(["--retry-failed", folder.name]) == 0
    assert_same_run(folder, undisturbed)
    assert RunFolder(DirectoryStore(folder.parent), folder.name).read_metadata().status == "complete"
