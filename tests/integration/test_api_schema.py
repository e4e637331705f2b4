"""Every answer of the API is as its own description says, and everything that is described is answered.

On a folder of runs, on real servers, and with a store that is away.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from services.api.app import create_app
from services.api.http.access import Access
from services.common.dependency_interfaces import UnavailableError
from services.common.run_json_files import Ingested, MergeProgress, ReadingProgress
from services.common.run_workspace import Workspace
from sparse_autoencoder.runs import firings_file
from sparse_autoencoder.runs.firings_file import Firings
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.rows_file_format import RowTokens
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.run_state import FailedChunk
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.api import Servers, backend_without_servers, listening, make_finished, metadata_of, serving
from tests.support.described import Description
from tests.support.live_runs import N_FEATURES, LiveWriter, publish_here
from tests.support.models_here import ModelsHere

NOWHERE = "20260101-000000_run-000"
LIVE, ENDED = "20300101-000000_run-001", "20300101-000000_run-002"
KEPT = "20300101-000000_run-003"  # with what fires at each token
ROW = "/api/prompts/2"
Query = dict[str, Any]
# what is asked about a run, and what makes it a mistake
QUESTIONS: list[tuple[str, Query, Query]] = [
    ("/api/features", {"details": "true"}, {"order": "up"}),
    ("/api/feature_rank", {"id": "1"}, {"id": "x"}),
    ("/api/feature", {"id": "1"}, {"id": "x"}),
    ("/api/feature_info", {"id": "1"}, {"top_k": "x"}),
    ("/api/prompts", {}, {"limit": "x"}),
    ("/api/prompts/features", {"text": "e"}, {"min_hits": "0"}),
    ("/api/prompts/parts", {"text": "nothing here"}, {"text": ""}),
    (ROW, {}, {"run": ["a", "b"]}),
]


class _AwayStore(DirectoryStore):
    """A directory that can't be reached."""

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        raise UnavailableError("the store is away")

    def size(self, key: str) -> int:
        raise UnavailableError("the store is away")

    def folders(self) -> list[str]:
        raise UnavailableError("the store is away")


@dataclass(frozen=True)
class Apis:
    """The API in front of different things; those with services share their runs."""

    models: ModelsHere  # those that can be asked about the folder
    folder: TestClient  # one finished demo run, one that is going, and what that would have ended as
    services: TestClient
    guarded: TestClient  # needs a token
    away: TestClient
    store: Any  # the services'
    finished: Path  # the demo run

    def start(self) -> Workspace:
        """A new run of the services, queued."""
        response = self.services.post("/api/runs", json={"source": "rows.csv", "max_rows": 100})
        return Workspace(self.store, response.json()["id"])

    def failed(self) -> str:
        """The path of a finished run of the services of which a chunk has failed."""
        space = self.start()
        make_finished(self.store, self.finished, space.folder.run_id)
        chunk = FailedChunk(chunk=0, first_row=0, last_row=9, num_rows=10, error="it was too hard")
        options = RunOptions(source="rows.csv")
        changes = {"status": "completed_with_errors", "failed_chunks": [chunk], "options": options}
        space.folder.write_metadata(metadata_of(self.finished, space.folder.run_id, **changes))
        return f"/api/runs/{space.folder.run_id}"


@pytest.fixture(scope="module")
def apis(servers: Servers, finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apis]:
    data = tmp_path_factory.mktemp("data")
    (data / "rows.csv").write_text("title\nx\n")
    folder = DirectoryStore(finished.parent)
    for run_id in (LIVE, ENDED):
        writer = LiveWriter.start(folder, run_id)
        for n_rows in (30, 40):
            writer.add(n_rows)
        writer.fail(10)
        writer.save()
    publish_here(RunFolder(folder, ENDED), writer.state)
    keep_firings(finished.parent)
    plain = servers.backend("plain/", data)
    away = backend_without_servers(_AwayStore(data), data)
    with (
        TestClient(create_app(folder, models=(models := ModelsHere()))) as on_folder,
        TestClient(create_app(plain.deps.store, backend=plain)) as on_services,
        TestClient(create_app(plain.deps.store, backend=plain, access=Access("secret"))) as on_guarded,
        TestClient(create_app(away.deps.store, backend=away)) as on_away,
    ):
        yield Apis(models, on_folder, on_services, on_guarded, on_away, plain.deps.store, finished)


@pytest.fixture(scope="module")
def description(apis: Apis) -> Description:
    return Description(apis.folder.get("/api/openapi.json").json())


def keep_firings(root: Path) -> None:
    """Make a run like ENDED in which two features fire at each token."""
    shutil.copytree(root / ENDED, root / KEPT)
    path = root / KEPT / "metadata.json"
    metadata = json.loads(path.read_text())
    options = metadata["options"] | {"keep_firings": True}
    path.write_text(json.dumps(metadata | {"run_id": KEPT, "options": options}))
    folder = RunFolder(DirectoryStore(root), KEPT)
    for chunk in folder.numbers("prompts"):
        lengths = RowTokens.of(pq.read_table(root / folder.prompts(chunk))).starts
        fires = Firings(np.full(lengths[-1], 2), np.tile(np.array([0, 1], np.int32), lengths[-1]))
        folder.store.put(folder.firings(chunk), firings_file.to_parquet([fires]))


def about_features_and_rows(apis: Apis) -> Iterator[Any]:
    """All kinds of answers of the endpoints that read runs."""
    compared = {"a": apis.finished.name, "b": apis.finished.name}
    for path, right, wrong, unknown in [
        *((path, {"run": ENDED} | right, wrong, {"run": NOWHERE}) for path, right, wrong in QUESTIONS),
        ("/api/compare", compared, {"sort": "x"}, {"a": NOWHERE}),
        (f"{ROW}/firings", {"run": KEPT}, {"sort": "x"}, {"run": NOWHERE}),
        ("/api/together", {"run": KEPT, "id": "1", "support": "1"}, {"id": "x"}, {"run": NOWHERE}),
    ]:
        yield apis.folder.get(path, params=right)
        yield apis.folder.get(path, params=right | wrong)
        yield apis.folder.get(path, params=right | unknown)
        yield apis.away.get(path, params=right)


def about_runs(apis: Apis) -> Iterator[Any]:
    """All kinds of answers of the endpoints about runs, but for changes, and about the API."""
    of_one = (f"/api/runs/{ENDED}", f"/api/runs/{ENDED}/events", f"/api/runs/{ENDED}/provenance")
    for path in ("/api/runs", *of_one):
        yield apis.folder.get(path)
        yield apis.away.get(path)
    yield apis.folder.get(f"/api/runs/{NOWHERE}")
    yield apis.folder.get(f"/api/runs/{NOWHERE}/events")
    yield apis.folder.get(f"/api/runs/{NOWHERE}/provenance")
    yield apis.away.get("/readyz")
    for path in ("/api/options", "/api/openapi.json", "/healthz", "/readyz", "/metrics"):
        yield apis.services.get(path)
        yield apis.services.get(path, params={"x": "1"})
    for path in ("/api/runs", *of_one):
        yield apis.folder.get(path, params={"x": "1"})


def changes(apis: Apis) -> Iterator[Any]:
    """All kinds of answers to what would start or change a run."""
    run = f"/api/runs/{apis.start().folder.run_id}"
    done = f"/api/runs/{apis.start().folder.run_id}"
    yield apis.services.post("/api/runs", json={})
    yield apis.services.post("/api/runs", json={"layer": "six"})
    yield apis.services.post(f"{run}/resume", json={})  # it is queued
    yield apis.services.post(f"{run}/cancel", json={})
    yield apis.services.post(f"{run}/cancel", json={})
    yield apis.services.post(f"{run}/resume", json={})
    yield apis.services.post(f"{run}/retry", json={})  # nothing has failed
    failed = apis.failed()
    yield apis.services.post(f"{failed}/retry", json={})
    yield apis.services.get(failed)
    yield apis.services.request("DELETE", done, json={})
    for method, path in (
        ("POST", "/api/runs"),
        ("POST", f"{run}/cancel"),
        ("POST", f"{run}/resume"),
        ("POST", f"{run}/retry"),
        ("DELETE", run),
    ):
        yield apis.folder.request(method, path, json={})
        yield apis.guarded.request(method, path, json={})
        yield apis.services.request(method, path, json={}, headers={"Host": "evil.example"})
        yield apis.services.request(method, path, content=b"{}")
        yield apis.services.request(method, path, json={}, params={"x": "1"})
        yield apis.away.request(method, path, json={})
        if path != "/api/runs":
            yield apis.services.request(method, path.replace(run, f"/api/runs/{NOWHERE}"), json={})


def about_labels(apis: Apis) -> Iterator[Any]:
    """All kinds of answers to who asks for labels, or gives some."""
    one, lines = "/api/labels/1", {"Content-Type": "application/x-ndjson"}
    of_run = {"run": apis.finished.name}
    yield apis.folder.put(one, params=of_run, json={"label": "dates"})
    yield apis.folder.put(one, params=of_run, json={"label": "years", "if_updated_at": None})
    for path in ("/api/labels", one, "/api/labels/export"):
        yield apis.folder.get(path, params=of_run)
        yield apis.folder.get(path, params={"run": NOWHERE})
        yield apis.folder.get(path, params={"x": "1"})
        yield apis.away.get(path)
    for method, path in (("PUT", one), ("DELETE", one), ("POST", "/api/labels/import")):
        headers = {"Content-Type": "application/json"} if path == one else lines
        content = b"{}" if path == one else b'{"feature_id": 1, "label": "x"}\n{'

        def asked(api: TestClient, **other: Any) -> Any:
            return api.request(method, path, **({"content": content, "headers": headers} | other))  # noqa: B023

        yield asked(apis.folder, params=of_run)
        yield asked(apis.folder, params={"run": NOWHERE})
        yield asked(apis.folder, params={"x": "1"})
        yield asked(apis.folder, headers=headers | {"Host": "evil.example"})
        yield asked(apis.folder, headers={})
        yield asked(apis.guarded)
        yield asked(apis.away)


def sessions(apis: Apis) -> Iterator[Any]:
    """All kinds of answers to who gives the token, or doesn't."""
    for api in (apis.guarded, apis.services):  # the second has none
        yield api.post("/api/session", json={"token": "secret"})
    for content in (b'{"token": "wrong"}', b"{}"):
        yield apis.guarded.post("/api/session", content=content, headers={"Content-Type": "application/json"})
    yield apis.guarded.post("/api/session", content=b"{}")
    yield apis.guarded.post("/api/session", json={}, params={"x": "1"})
    yield apis.guarded.request("DELETE", "/api/session")
    yield apis.guarded.request("DELETE", "/api/session", params={"x": "1"})


def about_models(apis: Apis) -> Iterator[Any]:
    """All kinds of answers to who asks the models."""
    yield apis.folder.get("/api/models")
    yield apis.folder.get("/api/models", params={"x": "1"})
    prompt = {"feature_id": 1, "prompt": "a", "strength": 1.0}
    for method, path, of_run, content in (
        ("POST", "/api/encode", {}, {"text": "a"}),
        ("GET", f"{ROW}/activations", {}, None),
        ("POST", "/api/effects", {"feature_id": "1"}, {}),
        ("POST", "/api/steer", {}, prompt),
        ("POST", "/api/graph", {"feature_id": "1"}, {}),
    ):

        def asked(run: str = ENDED, **other: Any) -> Any:
            sent = {} if content is None else {"json": content}  # noqa: B023
            query = {"run": run, **of_run, **other.pop("params", {})}  # noqa: B023
            return apis.folder.request(method, path, **({**sent, "params": query} | other))  # noqa: B023

        yield asked()
        yield asked(NOWHERE)
        yield asked(params={"x": "1"})
        yield asked(headers={"Sec-Fetch-Site": "cross-site"})
        if content is not None:
            yield asked(headers={"Content-Type": "text/plain"})
        for apis.models.status in (409, 429, 503, 504):
            yield asked()
        apis.models.status = None


def test_everything_that_is_described_is_answered_and_nothing_else(apis: Apis, description: Description) -> None:
    answers = [*about_features_and_rows(apis), *about_runs(apis), *changes(apis), *about_labels(apis), *sessions(apis)]
    answers += about_models(apis)
    # the 304s are test_api_caching.py's, the 408s test_access.py's
    expected = {(method, path, status) for method, path, status in description.answers if status not in (304, 408)}
    assert {description.check(answer) for answer in answers} == expected


@pytest.mark.parametrize("run", [LIVE, ENDED])
def test_all_of_a_small_run_is_answered_as_described(apis: Apis, description: Description, run: str) -> None:
    def answer(path: str, **query: int | str) -> Any:
        response = apis.folder.get(path, params={"run": run, **query})
        assert description.check(response)[2] == 200
        return response.json()

    for feature in range(N_FEATURES):
        for path in ("/api/feature_info", "/api/feature", "/api/feature_rank"):
            answer(path, id=feature)
    assert answer("/api/features", dead="true")["features"] != []
    rows = answer("/api/prompts", limit=1000)["prompts"]
    assert any(row["skipped"] for row in rows)
    for row in rows:
        answer(f"/api/prompts/{row['row_id']}")


@pytest.mark.parametrize(("path", "query", "_wrong"), QUESTIONS)
def test_the_demo_s_model_is_answered_as_described(
    apis: Apis, description: Description, path: str, query: Query, _wrong: Query
) -> None:
    assert description.check(apis.folder.get(path, params={"run": apis.finished.name} | query))[2] == 200


def test_a_run_of_the_services_is_as_described_in_every_state(apis: Apis, description: Description) -> None:
    space = apis.start()
    run_id = space.folder.run_id
    seen = []

    def look() -> None:
        description.check(apis.services.get("/api/runs"))
        answer = apis.services.get(f"/api/runs/{run_id}")
        description.check(answer)
        seen.append(answer.json()["status"])

    look()
    space.write_reading(ReadingProgress(source={"file": "rows.csv"}, num_chunks=3, num_records=60, fraction=0.5))
    space.folder.write_plan(metadata_of(apis.finished, run_id, status="running", finished_at=None))
    look()
    progress = {"next_chunk": 2, "num_records": 40, "num_tokens": 800, "num_skipped_rows": 3, "num_failed_chunks": 1}
    space.write_progress(MergeProgress.model_validate(progress | {"at": "2026-01-01T00:00:40+00:00"}))
    space.write_ingested(Ingested(num_chunks=4, num_records=77))
    look()
    space.stop("failed", "there is no model x")
    look()
    space.go_on()
    space.stop("cancelled")
    look()
    make_finished(apis.store, apis.finished, run_id)
    look()
    assert seen == ["queued", "running", "running", "failed", "cancelled", "complete"]


def test_the_events_of_a_run_that_is_going_are_as_described(apis: Apis, description: Description) -> None:
    with serving(create_app(DirectoryStore(apis.finished.parent))) as url, listening(url, LIVE) as events:
        event = next(events)
    assert event.name == "progress"
    description.validate(event.entry, {"$ref": "#/components/schemas/Run"})
