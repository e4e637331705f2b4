"""Failed chunks tried again over HTTP, on a real Redis and a real S3 server; what workers write the tests write."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from services.aggregator.merge_and_publish import Aggregator
from services.aggregator.summary_merging import SummaryMerging
from services.api.app import create_app
from services.api.runs.run_entries import Backend
from services.common import work_names
from services.common.process.service_main import attempt_rule
from services.common.run_control import RunControl
from services.common.run_json_files import Ingested, MergeProgress, RunRequest
from services.common.run_workspace import Workspace, now
from sparse_autoencoder.pipeline.chunk_outputs import ChunkResult
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.partial_format import Partial
from sparse_autoencoder.runs.provenance import PACKAGES, versions
from sparse_autoencoder.runs.publishing import publish
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.run_state import RunState
from tests.support.api import PATIENCE_S, Servers, wait_until, waiting
from tests.support.live_runs import LiveWriter

ROWS = 10  # of a chunk
CREATED = "2030-01-01T00:00:00+00:00"
_numbers = itertools.count()


class Workers(LiveWriter):
    """What ingest, encoders and aggregator write of a run, chunk by chunk."""

    partials: dict[int, bytes]

    def _merge(self, chunk: int, result: ChunkResult) -> None:
        super()._merge(chunk, result)
        self.partials[chunk] = Partial(result.partial).to_bytes()

    @property
    def space(self) -> Workspace:
        return Workspace(self.folder.store, self.folder.run_id)

    def go_on_from(self, state: RunState, next_row: int) -> None:
        self.state, self.next_row = state, next_row

    def save_with_progress(self) -> None:
        self.save()
        counts = {"next_chunk": self.state.next_chunk, "num_records": self.state.num_records, "num_skipped_rows": 0}
        more = {"num_tokens": self.state.summary.num_tokens, "num_failed_chunks": 0, "at": now()}
        self.space.write_progress(MergeProgress.model_validate(counts | more))

    def publish_as(self, status: str, retries: int = 0) -> RunMetadata:
        """Finish the run as the aggregator does, but for cleaning up."""
        publish(self.folder, self.metadata, self.state, self.state.encoded_chunks)
        metadata = self.metadata.with_counts(self.state, status=status, retries=retries, finished_at=now())
        self.folder.write_metadata(metadata)
        return metadata


def workers_of(backend: Backend) -> Workers:
    """The workers of a run that was asked for, of which there is nothing yet."""
    run_id = f"20300101-000000_run-{next(_numbers):03d}"
    workers = Workers.start(backend.deps.store, run_id)
    workers.partials = {}
    recorded = {"versions": versions(PACKAGES), "processor": {"fingerprint": "0"}}
    subject = {"name": "gpt2", "files": {"config.json": "0", "tokenizer.json": "0"}}
    options = workers.metadata.options.model_copy(update={"source": "rows.csv", "skip_directions": True})
    workers.metadata = workers.metadata.model_copy(update={"options": options, "subject": subject, **recorded})
    workers.folder.write_plan(workers.metadata)
    backend.deps.store.delete(workers.folder.metadata)  # services write it at the end
    assert workers.space.create_request(RunRequest(options=workers.metadata.options, created_at=CREATED))
    return workers


@dataclass(frozen=True)
class Failed:
    """A run of four chunks that is finished but for its chunk 2."""

    workers: Workers
    before: RunState  # of chunks 0 and 1
    next_row: int

    @property
    def run_id(self) -> str:
        return self.workers.folder.run_id

    @property
    def path(self) -> str:
        return f"/api/runs/{self.run_id}"

    def go_back(self) -> Workers:
        self.workers.go_on_from(self.before, self.next_row)
        return self.workers


def failed_run(backend: Backend, *, kept: bool = True, swept: bool = True) -> Failed:
    workers = workers_of(backend)
    for _ in range(2):
        workers.add(ROWS)
    failed = Failed(workers, workers.state, workers.next_row)
    if kept:
        workers.space.keep_before_failures(2, workers.state.to_bytes())
    workers.fail(ROWS)
    workers.add(ROWS)
    workers.save()
    metadata = workers.publish_as("completed_with_errors")
    if swept:
        workers.space.sweep(metadata)
    return failed


@pytest.fixture
def backend(servers: Servers, tmp_path: Path) -> Backend:
    servers.redis.flush()
    (tmp_path / "rows.csv").write_text("title\nx\n")
    return servers.backend(f"test-{next(_numbers)}/", tmp_path)


@pytest.fixture
def client(backend: Backend) -> Iterator[TestClient]:
    """A client of an API of these services."""
    with TestClient(create_app(backend.deps.store, backend=backend)) as client:
        yield client


def get(client: TestClient, path: str, status: int = 200) -> Any:
    response = client.get(path)
    assert response.status_code == status, response.text
    return response.json()


def retry(client: TestClient, run: Failed, status: int = 200) -> Any:
    response = client.post(f"{run.path}/retry", json={})
    assert response.status_code == status, response.text
    return response.json()


def wait_until_live(client: TestClient, path: str, live: bool) -> None:
    """Return when the answer about a run is one about an unfinished run, or no longer is."""
    wait_until(lambda: client.get(path).json().get("live", False) is live)


# What is said


def test_a_run_with_failed_chunks_says_from_which_they_would_be_tried_again(
    client: TestClient, backend: Backend
) -> None:
    run, nothing_kept = failed_run(backend), failed_run(backend, kept=False)
    entry = get(client, run.path)
    assert (entry["status"], entry["can"]["retry"], entry["retry_from"]) == ("completed_with_errors", True, 2)
    assert [(chunk["chunk"], chunk["error"]) for chunk in entry["failed_chunks"]] == [(2, "it was too hard")]
    assert {run["id"]: run["retry_from"] for run in get(client, "/api/runs")["runs"]} == {
        run.run_id: 2,
        nothing_kept.run_id: 0,
    }


def test_a_run_that_is_tried_again_says_so_in_the_answer_the_entry_and_the_list(
    client: TestClient, backend: Backend
) -> None:
    run = failed_run(backend)
    assert [entry["status"] for entry in get(client, "/api/runs")["runs"]] == ["completed_with_errors"]
    attempts = backend.deps.attempts
    attempts.begin(run.run_id, work_names.encoding(2), "a")
    entry = retry(client, run)
    assert get(client, run.path) == entry
    assert get(client, "/api/runs")["runs"] == [entry]
    assert (entry["status"], entry["retry_from"], entry["finished_at"]) == ("running", 2, None)
    assert entry["can"] == {"cancel": True, "resume": False, "retry": False, "delete": True}
    assert [chunk["chunk"] for chunk in entry["failed_chunks"]] == [2]
    assert attempts.tried(run.run_id, work_names.encoding(2)).total == 0
    assert waiting(backend.deps) == [run.run_id]


def test_its_progress_begins_with_what_was_kept_and_its_speed_with_what_comes_then(
    client: TestClient, backend: Backend
) -> None:
    run = failed_run(backend)
    entry = retry(client, run)
    kept = entry["failed_chunks"][0]["first_row"]
    assert 20 <= kept <= 40  # two chunks, with gaps between their ids
    assert (entry["progress"]["num_records"], entry["progress"]["tokens_per_s"]) == (kept, None)
    assert (entry["num_tokens"], entry["num_active_features"], entry["skipped_rows"]) == (0, 0, {})
    workers = run.go_back()
    workers.add(ROWS)
    workers.add(ROWS)
    workers.save_with_progress()
    progress = get(client, run.path)["progress"]
    assert progress["num_tokens"] == workers.state.summary.num_tokens
    assert progress["tokens_per_s"] is None  # when it was begun again isn't known


def test_a_run_that_is_cancelled_while_it_is_tried_again_goes_on_from_there(
    client: TestClient, backend: Backend
) -> None:
    run = failed_run(backend)
    retry(client, run)
    entry = client.post(f"{run.path}/cancel", json={}).json()
    assert (entry["status"], entry["retry_from"], entry["can"]["resume"]) == ("cancelled", 2, True)
    entry = client.post(f"{run.path}/resume", json={}).json()
    assert (entry["status"], entry["retry_from"]) == ("running", 2)


# What is refused


def test_where_nothing_has_failed_there_is_nothing_to_try_again(client: TestClient, backend: Backend) -> None:
    workers = workers_of(backend)
    run = Failed(workers, workers.state, 0)
    assert retry(client, run, 409)["error"] == f"run {run.run_id} is running, so there is nothing to retry"
    workers.add(ROWS)
    workers.space.sweep(workers.publish_as("complete"))
    entry = get(client, run.path)
    assert (entry["can"]["retry"], entry["retry_from"]) == (False, None)
    assert retry(client, run, 409)["error"] == f"run {run.run_id} is complete, so there is nothing to retry"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"versions": {}}, "its software has changed: "),
        ({"processor": {}}, "it was begun by a version of saescope that did not record the hashes of its models"),
        ({"options": RunOptions(source="gone.csv")}, "source can't be 'gone.csv', there is nothing of that name in "),
    ],
)
def test_a_finished_run_that_could_not_go_on_is_left_as_it_is(
    client: TestClient, backend: Backend, change: dict[str, Any], sentence: str
) -> None:
    run = failed_run(backend)
    folder = run.workers.folder
    folder.write_metadata(folder.read_metadata().model_copy(update=change))
    assert sentence in retry(client, run, 409)["error"]
    assert get(client, run.path)["status"] == "completed_with_errors"
    assert get(client, f"/api/features?run={run.run_id}")["num_active_features"] > 0


def test_who_asks_at_the_same_time_is_told_that_the_run_is_going(client: TestClient, backend: Backend) -> None:
    run = failed_run(backend)
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: client.post(f"{run.path}/retry", json={}), range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]
    refusals = {answer.json()["error"] for answer in answers if answer.status_code == 409}
    assert refusals == {f"run {run.run_id} is running, so there is nothing to retry"}


# What is remembered


def test_answers_about_the_run_are_those_of_its_state_and_then_of_its_new_files_also_in_another_api(
    client: TestClient, backend: Backend
) -> None:
    run = failed_run(backend)
    path = f"/api/features?run={run.run_id}"
    with TestClient(create_app(backend.deps.store, backend=backend)) as other:
        before = client.get(path)
        assert other.get(path).headers["ETag"] == before.headers["ETag"]
        get(other, "/api/runs")
        retry(client, run)
        assert get(client, path, 404)["error"] == f"run {run.run_id} has nothing to show yet: it is running"
        workers = run.go_back()
        workers.add(ROWS)
        workers.save_with_progress()
        for one in (client, other):
            wait_until_live(one, path, True)
            answer = one.get(path)
            assert (answer.headers["Cache-Control"], "ETag" in answer.headers) == ("no-store", False)
            assert answer.json()["num_tokens"] == workers.state.summary.num_tokens
        workers.add(ROWS)
        workers.space.sweep(workers.publish_as("complete", retries=1))
        for one in (client, other):
            wait_until_live(one, path, False)
            after = one.get(path, headers={"If-None-Match": before.headers["ETag"]})
            assert (after.status_code, after.json()["num_tokens"]) == (200, workers.state.summary.num_tokens)
            entry = get(one, run.path)
            assert (entry["status"], entry["failed_chunks"], entry["retry_from"]) == ("complete", [], None)


# What it goes on from


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1] + bytes([data[-1] ^ 1]), lambda data: b"", lambda data: b"x"]
)
def test_what_was_kept_and_is_damaged_is_computed_again_and_that_is_said(
    client: TestClient, backend: Backend, damage: Callable[[bytes], bytes]
) -> None:
    run = failed_run(backend)
    space = run.workers.space
    space.keep_before_failures(2, damage(space.saved_state(2)))
    entry = retry(client, run)
    assert (entry["status"], entry["retry_from"], entry["progress"]["num_records"]) == ("running", 0, 0)
    assert space.saved_cursor() is None


def test_what_was_not_cleaned_up_after_the_run_was_finished_is_not_gone_on_with(
    client: TestClient, backend: Backend
) -> None:
    run = failed_run(backend, swept=False)  # its state with the failed chunk is still there
    space = run.workers.space
    space.put_chunk(3, b"rows")
    space.write_ingested(Ingested(num_chunks=4, num_records=40))
    retry(client, run)
    assert (space.saved_cursor(), space.chunks(), space.ingested()) == (2, [], None)
    assert space.active()


def test_an_aggregator_that_did_not_finish_the_run_itself_does_not_go_on_with_its_old_state(backend: Backend) -> None:
    world = backend.deps
    control = RunControl(world)
    workers = workers_of(backend)
    space, run_id = workers.space, workers.folder.run_id
    one, other = (
        Aggregator(world, SummaryMerging(), attempt_rule(world, "aggregator", lambda: False)) for _ in range(2)
    )

    def merge(aggregator: Aggregator[Any], *chunks: int) -> None:
        for chunk in chunks:
            space.put_partial(chunk, workers.partials[chunk])
        assert aggregator.aggregate(run_id) is not None

    workers.add(ROWS)
    before, next_row = workers.state, workers.next_row
    workers.fail(ROWS)
    workers.add(ROWS)
    workers.add(ROWS)
    merge(one, 0, 1, 2)
    space.write_ingested(Ingested(num_chunks=4, num_records=40, rows_hash=workers.state.rows_hash))
    merge(other, 3)
    metadata = space.folder.read_metadata()
    assert [chunk.chunk for chunk in metadata.failed_chunks] == [1]
    space.folder.write_metadata(metadata.model_copy(update={"seconds": 100.0}))
    control.try_again(run_id)
    workers.go_on_from(before, next_row)
    for _ in range(3):
        workers.add(ROWS)
    space.write_ingested(Ingested(num_chunks=4, num_records=40, rows_hash=workers.state.rows_hash))
    merge(one, 1, 2, 3)
    metadata = space.folder.read_metadata()
    assert (metadata.status, metadata.retries, metadata.failed_chunks) == ("complete", 1, [])
    assert 100 <= metadata.seconds < 100 + PATIENCE_S  # without the time from which nobody worked on it
