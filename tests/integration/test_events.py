"""Event streams over a real connection: what they look like, and that they end with the run, the client or the server.

Also the live view of unfinished runs, in a folder in which `saescope run` is at work.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import urllib3
from starlette.testclient import TestClient

from services.api.app import create_app
from sparse_autoencoder.pipeline.single_process import resume, run
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.api import listening, serving, wait_until
from tests.support.runs import World, interrupted_run


class HeldStore(DirectoryStore):
    """A directory in which a run is held up when it writes its second prompts file, until the test lets it go."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.arrived, self.go = threading.Event(), threading.Event()

    def put(self, key: str, data: bytes | BinaryIO) -> None:
        if key.endswith("/prompts/000001.parquet"):
            self.arrived.set()
            assert self.go.wait(60)
        super().put(key, data)


@pytest.fixture
def unfinished(world: World, tmp_path: Path, quick: None) -> tuple[DirectoryStore, str]:
    """A folder with a run that was interrupted after its third chunk, and says that it is running."""
    store = DirectoryStore(tmp_path / "runs")
    run_id = interrupted_run(world.options(), store.root, "prompts/000003.parquet")
    change_status(store, run_id, "running")
    return store, run_id


def change_status(store: DirectoryStore, run_id: str, status: str) -> None:
    path = store.root / run_id / "metadata.json"
    path.write_text(path.read_text().replace('"status": "interrupted"', f'"status": "{status}"'))


def test_a_stream_s_headers_keep_it_from_being_stored_or_held_back(unfinished: tuple[DirectoryStore, str]) -> None:
    store, run_id = unfinished
    with serving(create_app(store)) as url:
        for method in ("GET", "HEAD"):
            response = urllib3.PoolManager().request(
                method, f"{url}/api/runs/{run_id}/events", preload_content=False, retries=False
            )
            assert response.status == 200
            assert response.headers["Content-Type"].startswith("text/event-stream")
            assert response.headers["Cache-Control"] == "no-cache"
            assert response.headers["X-Accel-Buffering"] == "no"
            response.close()


def test_a_run_in_a_folder_is_followed_from_its_beginning_to_its_end(world: World, tmp_path: Path, quick: None) -> None:
    store = HeldStore(tmp_path / "runs")
    store.root.mkdir()
    done: list[Any] = []
    working = threading.Thread(target=lambda: done.append(run(world.options(max_rows=60), store)))
    working.start()
    assert store.arrived.wait(60)
    (run_id,) = store.folders()
    with serving(create_app(DirectoryStore(store.root))) as url:
        with listening(url, run_id) as events:
            first = next(events)
            store.go.set()
            *_rest, last = events
        working.join()
    assert (first.name, first.entry["status"], first.entry["id"]) == ("progress", "running", run_id)
    assert (first.entry["progress"]["total_records"], first.entry["progress"]["workers"]) == (60, None)
    assert first.entry["can"] == {"cancel": False, "resume": False, "retry": False, "delete": False}
    assert (last.name, last.entry["status"], last.entry["progress"]) == ("end", "complete", None)
    assert last.entry["num_tokens"] == done[0].num_tokens


def test_a_run_in_a_folder_says_how_far_its_state_is(unfinished: tuple[DirectoryStore, str]) -> None:
    store, _run_id = unfinished
    with TestClient(create_app(store)) as client:
        (entry,) = client.get("/api/runs").json()["runs"]
    assert (entry["progress"]["num_records"], entry["status"]) == (60, "running")
    assert entry["progress"]["num_tokens"] > 0


def test_the_stream_of_a_run_that_has_ended_is_its_end(unfinished: tuple[DirectoryStore, str]) -> None:
    store, run_id = unfinished
    path = store.root / run_id / "metadata.json"
    path.write_text(path.read_text().replace('"status": "running"', '"status": "failed"'))
    with serving(create_app(store)) as url, listening(url, run_id) as events:
        assert [(event.name, event.entry["status"]) for event in events] == [("end", "failed")]


def test_a_client_that_goes_away_is_noticed(unfinished: tuple[DirectoryStore, str]) -> None:
    store, run_id = unfinished
    app = create_app(store)
    with serving(app) as url:
        with listening(url, run_id) as events:
            assert next(events).name == "progress"
            assert app.state.events.num_feeds == 1
        wait_until(lambda: app.state.events.num_feeds == 0)


def test_a_server_that_is_told_to_stop_ends_its_streams(unfinished: tuple[DirectoryStore, str]) -> None:
    store, run_id = unfinished
    with serving(create_app(store)) as url:
        streams = [listening(url, run_id) for _ in range(5)]
        opened = [stream.__enter__() for stream in streams]
        assert {next(events).name for events in opened} == {"progress"}
    for stream, events in zip(streams, opened, strict=True):
        assert list(events) == []
        stream.__exit__(None, None, None)


def test_an_unfinished_run_is_shown_as_far_as_it_is(world: World, unfinished: tuple[DirectoryStore, str]) -> None:
    store, run_id = unfinished
    with TestClient(create_app(store)) as client:
        ranking = client.get("/api/features", params={"run": run_id}).json()
        assert (ranking["run"], ranking["live"], ranking["num_records"]) == (run_id, True, 60)
        assert client.get("/api/features").json() == ranking
        feature = ranking["features"][0]["feature_id"]
        info = client.get("/api/feature_info", params={"run": run_id, "id": feature}).json()
        assert (info["live"], info["num_records"]) == (True, 60)
        assert {example["count"] for example in info["top"] + info["random"]} == {None}
        tokens = client.get("/api/feature", params={"run": run_id, "id": feature}).json()
        assert (tokens["live"], {token["prompt_index"] for token in tokens["tokens"]}) == (True, {None})
        change_status(store, run_id, "interrupted")
        resume(run_id, store)
        assert client.get(f"/api/runs/{run_id}").json()["status"] == "complete"
