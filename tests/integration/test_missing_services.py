"""What a run that nobody can go on with says, on a real Redis and a real S3 server."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from starlette.testclient import TestClient

from services.api.app import create_app
from services.api.runs.run_entries import Backend
from services.common import work_names
from services.common.dependency_interfaces import Service
from services.common.redis.worker_presence import RedisWorkers
from services.common.run_control import RunControl
from services.common.run_json_files import Ingested, MergeProgress, RunRequest
from services.common.run_workspace import Workspace, now
from sparse_autoencoder.runs.run_options import RunOptions
from tests.support.api import Servers, running

NO_AGGREGATOR = "no aggregator is running, so nothing is merged or looked after: start one, unless one is starting"
_numbers = itertools.count()


@pytest.fixture
def backend(servers: Servers, tmp_path: Path) -> Backend:
    servers.redis.flush()
    return servers.backend(f"test-{next(_numbers)}/", tmp_path)


@pytest.fixture
def client(backend: Backend) -> Iterator[TestClient]:
    with TestClient(create_app(backend.deps.store, backend=backend)) as client:
        yield client


def ask_for_run(backend: Backend, number: int = 1) -> Workspace:
    control = RunControl(backend.deps)
    run_id = f"20260101-000000_run-{number:03d}"
    assert control.ask_for(run_id, RunRequest(options=RunOptions(), created_at=now()))
    return control.workspace(run_id)


def problems(client: TestClient) -> list[Any]:
    return [run["progress"]["problem"] for run in client.get("/api/runs").json()["runs"]]


def test_a_run_says_which_services_nobody_runs_and_what_to_do(
    client: TestClient, backend: Backend, servers: Servers
) -> None:
    ask_for_run(backend)
    assert problems(client) == [
        "no ingest, encoder or aggregator is running, so nothing is read, encoded, merged or looked after: "
        "start them, unless they are starting"
    ]
    with running(servers, "ingest", "encoder"):
        assert problems(client) == [NO_AGGREGATOR]
    with running(servers, "ingest", "encoder", "aggregator"):
        assert problems(client) == [None]


def test_services_whose_part_is_done_are_not_missed(client: TestClient, backend: Backend) -> None:
    space = ask_for_run(backend)
    space.write_ingested(Ingested(num_chunks=4, num_records=40))
    counts: dict[str, Any] = {
        "num_records": 40,
        "num_tokens": 800,
        "num_skipped_rows": 0,
        "num_failed_chunks": 0,
        "at": now(),
    }
    space.write_progress(MergeProgress(next_chunk=3, **counts))
    assert problems(client)[0].startswith("no encoder or aggregator is running, so nothing is encoded, merged or ")
    space.write_progress(MergeProgress(next_chunk=4, **counts))
    assert problems(client) == [NO_AGGREGATOR]


def test_a_run_that_nobody_is_to_go_on_with_misses_nobody(client: TestClient, backend: Backend) -> None:
    ask_for_run(backend).stop("cancelled")
    (run,) = client.get("/api/runs").json()["runs"]
    assert (run["progress"], run["error"]) == (None, None)


def test_runs_are_shown_without_any_worker(client: TestClient) -> None:
    assert client.get("/readyz").json() == {"status": "ready"}


def test_a_service_that_holds_a_lease_is_running(client: TestClient, backend: Backend) -> None:
    ask_for_run(backend)
    leases = backend.deps.leases
    with (
        leases.hold(work_names.ingest_lease("other")),
        leases.hold(work_names.encode_lease("other", 0)),
    ):
        assert problems(client) == [NO_AGGREGATOR]


def test_what_the_services_note_of_a_run_comes_first(client: TestClient, backend: Backend) -> None:
    space = ask_for_run(backend)
    backend.problems.note(space.folder.run_id, "waiting for an encoder: none is running")
    assert problems(client) == ["waiting for an encoder: none is running"]


def test_a_list_of_runs_costs_no_more_questions_about_workers_than_one_run(backend: Backend) -> None:
    asked: Counter[Service] = Counter()

    class Counting(RedisWorkers):
        def alive(self, service: Service) -> set[str]:
            asked[service] += 1
            return set()

    world = replace(backend.deps, workers=Counting(redis.Redis()))
    for number in range(3):
        ask_for_run(backend, number)
    with TestClient(create_app(world.store, backend=replace(backend, deps=world))) as client:
        assert problems(client) != []
    assert asked == {"ingest": 1, "encoder": 1, "aggregator": 1}
