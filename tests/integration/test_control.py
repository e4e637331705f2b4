"""Starting, cancelling, resuming and deleting runs over HTTP, on a real Redis and a real S3 server without workers.

What workers would write the tests write in their place.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from starlette.testclient import TestClient

from services.api.app import create_app
from services.api.runs.run_entries import Backend
from services.common import work_names
from services.common.run_json_files import Ingested, MergeProgress, ReadingProgress
from services.common.run_workspace import Workspace
from tests.support.api import Servers, make_finished, metadata_of, running, waiting

JSON = {"Content-Type": "application/json"}
NOWHERE = "20260101-000000_run-001"
_numbers = itertools.count()


@dataclass(frozen=True)
class Api:
    """The API of services whose runs are nobody else's."""

    client: TestClient
    backend: Backend

    def get(self, path: str) -> Any:
        response = self.client.get(path)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, content: Any = None, status: int = 200) -> Any:
        response = self.client.post(path, json={} if content is None else content)
        assert response.status_code == status, response.text
        return response.json()

    def start(self, **options: Any) -> Workspace:
        """A new run's folder."""
        run_id = self.post("/api/runs", {"source": "rows.csv"} | options, 201)["id"]
        return Workspace(self.backend.deps.store, run_id)

    def delete(self, run_id: str) -> int:
        return self.client.request("DELETE", f"/api/runs/{run_id}", headers=JSON).status_code

    def keys(self, space: Workspace) -> list[str]:
        """The run's files."""
        prefix = space.folder.key("")
        return [key.removeprefix(prefix) for key in self.backend.deps.store.list(prefix)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "news").mkdir()
    for name in ("rows.csv", "news/more.txt", ".hidden.csv", "model.safetensors"):
        (tmp_path / name).write_text("title\nx\n")
    return tmp_path


@pytest.fixture
def api(servers: Servers, data: Path) -> Iterator[Api]:
    servers.redis.flush()
    backend = servers.backend(f"test-{next(_numbers)}/", data)
    with TestClient(create_app(backend.deps.store, backend=backend)) as client:
        yield Api(client, backend)


def begin(space: Workspace, finished: Path, records: int = 40, **changes: Any) -> None:
    """What workers have written when so many rows are merged."""
    run_id = space.folder.run_id
    space.write_reading(ReadingProgress(source={"file": "rows.csv"}, num_chunks=3, num_records=60, fraction=0.5))
    space.folder.write_plan(metadata_of(finished, run_id, status="running", finished_at=None))
    progress = {"next_chunk": 2, "num_records": records, "num_tokens": 800, "num_skipped_rows": 3}
    rest = {"num_failed_chunks": 1, "at": "2026-01-01T00:00:40+00:00"}
    space.write_progress(MergeProgress.model_validate(progress | rest | changes))


def test_a_run_that_is_started_is_in_the_store_in_the_queue_and_in_the_list(api: Api, servers: Servers) -> None:
    answer = api.post("/api/runs", {"source": "rows.csv", "max_rows": 7, "bos": "none"}, 201)
    assert (list(answer), answer["status"]) == (["id", "status"], "queued")
    request = Workspace(api.backend.deps.store, answer["id"]).request()
    assert request.options.model_dump(exclude_defaults=True) == {"source": "rows.csv", "max_rows": 7, "bos": "none"}
    assert waiting(api.backend.deps) == [answer["id"]]
    with running(servers, "ingest", "encoder", "aggregator"):
        (entry,) = api.get("/api/runs")["runs"]
        assert entry == api.get(f"/api/runs/{answer['id']}")
    assert (entry["status"], entry["created_at"], entry["source"]) == ("queued", request.created_at, "rows.csv")
    assert entry["options"] == request.options.model_dump()
    assert (entry["subject"], entry["layer_index"], entry["num_features"], entry["error"]) == ("gpt2", 6, None, None)
    assert (entry["started_at"], entry["finished_at"], entry["seconds"], entry["num_tokens"]) == (None, None, None, 0)
    assert entry["can"] == {"cancel": True, "resume": False, "retry": False, "delete": True}
    assert entry["progress"] == {
        "num_records": 0,
        "total_records": 7,
        "total_is_exact": False,
        "num_tokens": 0,
        "tokens_per_s": None,
        "workers": 0,
        "seconds_left": None,
        "num_failed_chunks": 0,
        "problem": None,
    }


def test_without_any_option_a_run_has_the_defaults_of_the_command(api: Api) -> None:
    run_id = api.post("/api/runs", {}, 201)["id"]
    assert Workspace(api.backend.deps.store, run_id).request().options.model_dump(exclude_defaults=True) == {}


def test_runs_that_are_started_at_once_have_names_of_their_own(api: Api) -> None:
    with ThreadPoolExecutor(12) as threads:
        ids = list(threads.map(lambda _: api.start().folder.run_id, range(24)))
    assert len(set(ids)) == 24
    assert {entry["id"] for entry in api.get("/api/runs")["runs"]} == set(ids)


def test_a_run_is_taken_while_redis_is_away_and_says_so(api: Api, servers: Servers) -> None:
    servers.redis.kill()
    try:
        run_id = api.start().folder.run_id
        progress = api.get(f"/api/runs/{run_id}")["progress"]
        assert progress["workers"] is None
        assert progress["problem"].startswith("Redis can't be used for leases; is it up?")
        assert [entry["id"] for entry in api.get("/api/runs")["runs"]] == [run_id]
    finally:
        servers.redis.start()
    assert api.get(f"/api/runs/{run_id}")["progress"]["workers"] == 0


def test_a_running_run_says_how_far_it_is_and_who_works_on_it(api: Api, finished: Path) -> None:
    space = api.start(max_rows=1000)
    begin(space, finished)
    leases, run_id = api.backend.deps.leases, space.folder.run_id
    api.backend.problems.note(run_id, "the store was full")
    mine = [
        work_names.encode_lease(run_id, 2),
        work_names.encode_lease(run_id, 3),
        work_names.ingest_lease(run_id),
    ]
    with ExitStack() as held:
        for name in (*mine, work_names.encode_lease("other", 0)):
            held.enter_context(leases.hold(name))
        entry = api.get(f"/api/runs/{run_id}")
    assert (entry["status"], entry["source"], entry["num_features"]) == ("running", "headlines.txt", 256)
    assert (entry["num_prompts"], entry["num_tokens"], entry["num_skipped_rows"]) == (37, 800, 3)
    progress = entry["progress"]
    assert (progress["num_records"], progress["total_records"], progress["total_is_exact"]) == (40, 120, False)
    assert (progress["num_tokens"], progress["num_failed_chunks"], progress["workers"]) == (800, 1, 2)
    assert progress["problem"] == "the store was full"


def test_the_total_is_exact_when_the_source_is_read_to_its_end(api: Api, finished: Path) -> None:
    space = api.start()
    begin(space, finished)
    space.write_ingested(Ingested(num_chunks=4, num_records=77))
    progress = api.get(f"/api/runs/{space.folder.run_id}")["progress"]
    assert (progress["total_records"], progress["total_is_exact"]) == (77, True)


def test_speed_and_time_left_follow_from_what_was_seen(api: Api, finished: Path) -> None:
    space = api.start()
    begin(space, finished, at="2099-01-01T00:00:40+00:00")
    path = f"/api/runs/{space.folder.run_id}"
    api.get(path)
    begin(space, finished, 60, num_tokens=1300, at="2099-01-01T00:00:50+00:00")
    progress = api.get(path)["progress"]
    assert (progress["tokens_per_s"], progress["seconds_left"]) == (50.0, 30)


def test_a_run_that_is_finished_says_everything(api: Api, finished: Path) -> None:
    space = api.start()
    begin(space, finished)
    make_finished(api.backend.deps.store, finished, space.folder.run_id)
    (entry,) = api.get("/api/runs")["runs"]
    metadata = json.loads((finished / "metadata.json").read_text())
    assert (entry["status"], entry["progress"]) == ("complete", None)
    assert entry["can"] == {"cancel": False, "resume": False, "retry": False, "delete": True}
    for name in ("num_prompts", "num_tokens", "num_active_features", "skipped_rows", "failed_chunks", "seconds"):
        assert entry[name] == metadata[name]


def test_a_cancelled_run_is_left_alone_until_it_is_resumed(api: Api, finished: Path) -> None:
    space = api.start()
    begin(space, finished)
    path = f"/api/runs/{space.folder.run_id}"
    entry = api.post(f"{path}/cancel")
    assert entry == api.get(path)
    assert (entry["status"], entry["error"], entry["progress"]) == ("cancelled", None, None)
    assert entry["can"] == {"cancel": False, "resume": True, "retry": False, "delete": True}
    assert entry["num_tokens"] == 800
    assert not space.active()
    entry = api.post(f"{path}/resume")
    assert (entry["status"], entry["can"]["cancel"]) == ("running", True)
    assert space.active()


def test_resuming_sends_the_message_again_and_forgets_what_was_counted(api: Api, servers: Servers) -> None:
    space = api.start()
    run_id, attempts = space.folder.run_id, api.backend.deps.attempts
    attempts.begin(run_id, work_names.encoding(0), "a")
    space.stop("failed", "there is no model x")
    entry = api.get(f"/api/runs/{run_id}")
    assert (entry["status"], entry["error"], entry["can"]["resume"]) == ("failed", "there is no model x", True)
    api.post(f"/api/runs/{run_id}/resume")
    assert attempts.tried(run_id, work_names.encoding(0)).total == 0
    assert waiting(api.backend.deps) == [run_id]


def test_a_run_is_not_resumed_while_redis_is_away(api: Api, servers: Servers) -> None:
    space = api.start()
    space.stop("cancelled")
    servers.redis.kill()
    try:
        answer = api.post(f"/api/runs/{space.folder.run_id}/resume", status=503)
    finally:
        servers.redis.start()
    assert answer["error"].startswith("Redis can't be used for counting attempts; is it up?")
    assert not space.active()


def test_what_cannot_be_done_in_a_run_s_state_is_409_with_a_sentence(api: Api, finished: Path) -> None:
    space = api.start()
    run_id = space.folder.run_id

    def refusal(action: str) -> str:
        return str(api.post(f"/api/runs/{run_id}/{action}", status=409)["error"])

    assert refusal("resume") == f"run {run_id} is queued, so there is nothing to resume"
    space.stop("cancelled")
    assert refusal("cancel") == f"run {run_id} is cancelled, so there is nothing to cancel"
    make_finished(api.backend.deps.store, finished, run_id)
    assert refusal("cancel") == f"run {run_id} is complete, so there is nothing to cancel"
    assert refusal("resume") == f"run {run_id} is complete, so there is nothing to resume"


def test_of_a_finished_run_that_is_deleted_only_that_word_is_left_for_the_reconcile_loop_to_remove(
    api: Api, finished: Path
) -> None:
    space, other = api.start(), api.start()
    for one in (space, other):
        make_finished(api.backend.deps.store, finished, one.folder.run_id)
    run_id = space.folder.run_id
    assert len(api.get("/api/runs")["runs"]) == 2
    api.get(f"/api/features?run={run_id}")
    kept = api.keys(other)
    assert api.delete(run_id) == 204
    assert (api.keys(space), api.keys(other)) == (["stopped.json"], kept)
    assert [entry["id"] for entry in api.get("/api/runs")["runs"]] == [other.folder.run_id]
    assert api.client.get(f"/api/runs/{run_id}").status_code == 404
    assert api.client.get("/api/features", params={"run": run_id}).status_code == 404


def test_an_unfinished_run_that_is_deleted_leaves_the_word_that_it_is(api: Api, finished: Path) -> None:
    space = api.start()
    begin(space, finished)
    space.put_chunk(2, b"rows")
    run_id = space.folder.run_id
    assert api.delete(run_id) == 204
    assert api.keys(space) == ["stopped.json"]
    space.put_chunk(3, b"written late")
    space.folder.write_plan(metadata_of(finished, run_id, status="running"))
    assert api.get("/api/runs") == {"runs": []}
    for path in (f"/api/runs/{run_id}", f"/api/runs/{run_id}/events"):
        assert api.client.get(path).status_code == 404
    assert api.post(f"/api/runs/{run_id}/resume", status=404)["error"].startswith(f"there is no run '{run_id}'")
    assert api.delete(run_id) == 404


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/cancel"), ("POST", "/resume"), ("POST", "/retry"), ("DELETE", "")]
)
def test_a_run_that_is_not_there_is_404(api: Api, method: str, path: str) -> None:
    for run_id in (NOWHERE, "..", "a..b", "%2e%2e%2fx", "a" * 300, "x%00", "é"):
        response = api.client.request(method, f"/api/runs/{run_id}{path}", headers=JSON)
        assert response.status_code in (404, 405)  # ".." is gone from the address before it is sent
        assert list(response.json()) == ["error"]


def test_the_options_say_what_there_is_to_choose_and_which_files(api: Api) -> None:
    answer = api.get("/api/options")
    assert (answer["can_start"], answer["needs_token"]) == (True, False)
    assert answer["data_files"] == ["rows.csv", "news/more.txt"]


def test_ready_and_metrics_answer(api: Api) -> None:
    assert api.get("/readyz") == {"status": "ready"}
    response = api.client.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain")
    assert "python_info" in response.text


def test_it_is_not_ready_while_redis_is_away(api: Api, servers: Servers) -> None:
    servers.redis.kill()
    try:
        response = api.client.get("/readyz")
    finally:
        servers.redis.start()
    assert response.status_code == 503
    assert response.json()["error"].startswith("Redis can't be used for leases; is it up?")


def test_a_problem_is_forgotten_by_itself(api: Api, servers: Servers) -> None:
    api.backend.problems.note("r", "x" * 5000)
    assert api.backend.problems.read("r") == "x" * 1000
    assert api.backend.problems.read("other") is None
    with redis.Redis.from_url(servers.redis.url) as client:
        assert 0 < int(client.ttl("saescope:problem:r")) <= 30


@pytest.mark.parametrize("kind", [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_only_json_is_taken_as_another_site_s_page_cannot_send_it(api: Api, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    space = api.start()
    for method, path in (
        ("POST", ""),
        ("POST", f"/{space.folder.run_id}/cancel"),
        ("DELETE", f"/{space.folder.run_id}"),
    ):
        response = api.client.request(method, f"/api/runs{path}", headers=headers, content=b'{"source": "rows.csv"}')
        assert response.status_code == 415
        assert response.json() == {"error": "send this with the header Content-Type: application/json"}
    assert [entry["status"] for entry in api.get("/api/runs")["runs"]] == ["queued"]


def test_another_site_s_page_is_not_permitted_to_write(api: Api) -> None:
    headers = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    response = api.client.options("/api/runs", headers=headers | {"Access-Control-Request-Headers": "content-type"})
    assert response.status_code == 405
    assert [name for name in response.headers if name.lower().startswith("access-control-")] == []


def test_json_may_name_its_characters(api: Api) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert api.client.post("/api/runs", content=b'{"source": "rows.csv"}', headers=headers).status_code == 201
