"""Reading runs from a store: what each request costs, and that nothing that is wrong with one run hides another."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.api.runs.run_facts import FAILED_AGAIN_S, RunFiles
from services.common.dependency_interfaces import UnavailableError
from services.common.run_json_files import RunRequest
from services.common.run_workspace import Workspace
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.run_state import FailedChunk
from sparse_autoencoder.runs.store import DirectoryStore, NotFoundError

CREATED = "2026-01-01T00:00:00+00:00"


class CountingStore(DirectoryStore):
    """A directory that counts what is asked of it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reads = 0
        self.away = False

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        self.reads += 1
        if self.away:
            raise UnavailableError("the store is away")
        return super().get(key, offset, length)


@pytest.fixture
def store(tmp_path: Path) -> CountingStore:
    return CountingStore(tmp_path)


def metadata(run_id: str, status: str = "complete") -> RunMetadata:
    return RunMetadata.model_validate(
        {
            "run_id": run_id,
            "status": status,
            "options": {},
            "source": {},
            "subject": {"name": "s"},
            "autoencoder": {"name": "a"},
            "bos_token_id": None,
            "num_features": 1,
            "metrics": [{"name": "m", "description": "d"}],
            "versions": {},
            "started_at": CREATED,
            "dataset_csv": "rows.csv",
            "text_column": None,
            "layer_index": 6,
            "location": "resid_post_mlp",
            "max_sequence_length": 64,
            "top_feature_count": 1,
            "top_tokens_per_feature": 1,
        }
    )


def finish(store: CountingStore, run_id: str) -> None:
    RunFolder(store, run_id).write_metadata(metadata(run_id))


def ask(store: CountingStore, run_id: str) -> Workspace:
    space = Workspace(store, run_id)
    assert space.create_request(RunRequest(options=RunOptions(), created_at=CREATED))
    return space


def listed(files: RunFiles) -> list[tuple[str, str]]:
    return [(facts.run_id, facts.status) for facts in files.all()]


def test_finished_runs_are_read_once(store: CountingStore) -> None:
    for number in range(300):
        finish(store, f"run-{number:03d}")
    files = RunFiles(store)
    assert len(files.all()) == 300
    store.reads = 0
    assert len(files.all()) == 300
    assert store.reads == 0


def test_finished_runs_with_failed_chunks_are_looked_at_again_only_after_a_while(store: CountingStore) -> None:
    seconds = [100.0]
    files = RunFiles(store, clock=lambda: seconds[0])
    failed = metadata("run-1", "completed_with_errors")
    failed.failed_chunks = [FailedChunk(chunk=3, first_row=30, last_row=39, num_rows=10, error="e")]
    space = ask(store, "run-1")
    space.folder.write_metadata(failed)
    space.keep_before_failures(3, b"state")
    finish(store, "run-2")
    assert [(facts.run_id, facts.retry_from) for facts in files.all()] == [("run-2", None), ("run-1", 3)]
    space.try_again()  # through another API
    store.reads, seconds[0] = 0, 100.0 + FAILED_AGAIN_S - 0.1
    assert listed(files) == [("run-2", "complete"), ("run-1", "completed_with_errors")]
    assert store.reads == 0
    seconds[0] = 100.0 + FAILED_AGAIN_S
    assert listed(files) == [("run-2", "complete"), ("run-1", "running")]


def test_an_unfinished_run_costs_a_few_small_reads_each_time(store: CountingStore) -> None:
    ask(store, "run-1")
    files = RunFiles(store)
    assert listed(files) == [("run-1", "queued")]
    store.reads = 0
    files.all()
    assert store.reads <= 10


def test_a_run_that_is_gone_is_no_longer_listed(store: CountingStore) -> None:
    finish(store, "run-1")
    files = RunFiles(store)
    files.all()
    store.delete("run-1/metadata.json")
    assert files.all() == []


def test_runs_of_all_kinds_are_listed_newest_first(store: CountingStore) -> None:
    finish(store, "2-finished")
    ask(store, "1-queued")
    RunFolder(store, ask(store, "3-planned").folder.run_id).write_plan(metadata("3-planned", "running"))
    ask(store, "4-cancelled").stop("cancelled")
    ask(store, "5-failed").stop("failed", "why")
    ask(store, "6-deleted").stop("deleted")
    RunFolder(store, "7-folder").write_metadata(metadata("7-folder", "interrupted"))
    store.put("8-no-run/readme.txt", b"")
    store.put("9-damaged/metadata.json", b"{")
    store.put("a-damaged/request.json", b"{}")
    assert listed(RunFiles(store)) == [
        ("7-folder", "interrupted"),
        ("5-failed", "failed"),
        ("4-cancelled", "cancelled"),
        ("3-planned", "running"),
        ("2-finished", "complete"),
        ("1-queued", "queued"),
    ]


def test_a_run_that_finishes_while_it_is_read_is_finished(store: CountingStore) -> None:
    space = ask(store, "run-1")

    class Finishing(DirectoryStore):
        def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
            if key.endswith("/request.json"):
                space.folder.write_metadata(metadata("run-1"))
                space.sweep(metadata("run-1"))
            return super().get(key, offset, length)

    assert RunFiles(Finishing(store.root)).one("run-1").status == "complete"


def test_a_store_that_is_away_is_no_empty_list(store: CountingStore) -> None:
    ask(store, "run-1")
    store.away = True
    with pytest.raises(UnavailableError):
        RunFiles(store).all()


def test_a_deleted_run_is_not_found_whatever_is_written_late(store: CountingStore) -> None:
    space = ask(store, "run-1")
    space.stop("deleted")
    space.delete_everything()
    space.folder.write_plan(metadata("run-1", "running"))
    with pytest.raises(NotFoundError, match=r"^there is no run 'run-1': it was deleted$"):
        RunFiles(store).one("run-1")
