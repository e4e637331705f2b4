"""Labels, notes and stars through the API: kept beside the runs, for all runs of an autoencoder, with nothing lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from services.api.app import create_app
from services.api.http.access import Access
from services.common.object_store import ObjectStore
from sparse_autoencoder.runs.label_entries import Change
from sparse_autoencoder.runs.label_log import LabelLog
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.servers import S3Server

OLD, AGAIN = "20200101-000000_run-001", "20200101-000000_run-002"
LINES = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def runs(finished: Path, tmp_path: Path) -> Path:
    """A run, the same once more, and one of a version that didn't say which file its autoencoder is."""
    for name in (finished.name, AGAIN, OLD):
        shutil.copytree(finished, tmp_path / "runs" / name)
        change_metadata(tmp_path / "runs" / name, run_id=name)
    without = metadata_of(tmp_path / "runs" / OLD)["autoencoder"]
    del without["sha256"]
    change_metadata(tmp_path / "runs" / OLD, autoencoder=without)
    return tmp_path / "runs"


@pytest.fixture
def client(runs: Path) -> Iterator[TestClient]:
    with TestClient(create_app(DirectoryStore(runs))) as client:
        yield client


def metadata_of(run: Path) -> Any:
    return json.loads((run / "metadata.json").read_text())


def change_metadata(run: Path, **changes: Any) -> None:
    (run / "metadata.json").write_text(json.dumps(metadata_of(run) | changes))


def put(client: TestClient, feature_id: int, **content: Any) -> Any:
    response = client.put(f"/api/labels/{feature_id}", json=content)
    assert response.status_code == 200, response.text
    return response.json()


def labels(client: TestClient, **query: str) -> dict[int, Any]:
    response = client.get("/api/labels", params=query)
    assert response.status_code == 200, response.text
    return {label["feature_id"]: label for label in response.json()["labels"]}


def ids(client: TestClient, query: str) -> list[int]:
    response = client.get(f"/api/features?limit=10000&{query}")
    assert response.status_code == 200, response.text
    return [feature["feature_id"] for feature in response.json()["features"]]


def test_what_was_said_is_answered(client: TestClient) -> None:
    said = put(client, 3, label="dates", note="mostly years", starred=True, author="ada")
    assert client.get("/api/labels/3").json() == said
    assert labels(client) == {3: said}
    assert said | {"updated_at": None} == {
        "feature_id": 3,
        "label": "dates",
        "note": "mostly years",
        "starred": True,
        "author": "ada",
        "updated_at": None,
    }


def test_of_a_feature_of_which_nothing_is_said_all_is_null(client: TestClient) -> None:
    nothing = {"label": None, "note": None, "starred": False, "author": None, "updated_at": None}
    assert client.get("/api/labels/3").json() == {"feature_id": 3} | nothing


def test_another_run_of_the_autoencoder_has_the_labels_too(client: TestClient, finished: Path) -> None:
    put(client, 3, label="dates")
    assert labels(client, run=AGAIN) == labels(client, run=finished.name)


def test_labels_survive_their_run(client: TestClient, runs: Path, finished: Path) -> None:
    put(client, 3, label="dates")
    shutil.rmtree(runs / finished.name)
    with TestClient(create_app(DirectoryStore(runs))) as later:
        assert labels(later, run=AGAIN)[3]["label"] == "dates"


def test_a_run_that_does_not_say_which_autoencoder_it_is_of_has_none(client: TestClient) -> None:
    for response in (
        client.get("/api/labels", params={"run": OLD}),
        client.put("/api/labels/3", params={"run": OLD}, json={"label": "dates"}),
        client.get("/api/features", params={"run": OLD, "labelled": "true"}),
    ):
        assert response.status_code == 404
        assert "an earlier version of saescope" in response.json()["error"]


def test_a_label_is_removed(client: TestClient) -> None:
    put(client, 3, label="dates", starred=True)
    assert client.request("DELETE", "/api/labels/3", json={}).status_code == 204
    assert labels(client) == {}


def test_whoever_is_late_is_told_what_is_said_now(client: TestClient) -> None:
    seen = put(client, 3, label="dates")["updated_at"]
    now = put(client, 3, label="months", if_updated_at=seen)
    response = client.put("/api/labels/3", json={"label": "years", "if_updated_at": seen})
    assert response.status_code == 409
    assert response.json()["label"] == now
    assert "somebody changed what is said of feature 3 meanwhile" in response.json()["error"]
    assert put(client, 3, label="years", if_updated_at=now["updated_at"])["label"] == "years"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"label": 3}, "label must be text"),
        ({"label": "x" * 501}, "label must have at most 500 characters, not 501"),
        ({"star": True}, "there is no field 'star'; did you mean starred?"),
        ({"if_updated_at": 3}, "if_updated_at must be the updated_at of an answer, or null"),
        ([], "the body must be a JSON object of label, note, starred, author, if_updated_at"),
    ],
)
def test_what_is_no_label_is_refused(client: TestClient, content: Any, sentence: str) -> None:
    response = client.put("/api/labels/3", json=content)
    assert response.status_code == 400
    assert sentence in response.json()["error"]
    assert labels(client) == {}


@pytest.mark.parametrize("feature_id", ["-1", "1000000000", "x"])
def test_a_feature_that_is_not_there_has_no_label(client: TestClient, feature_id: str) -> None:
    assert client.put(f"/api/labels/{feature_id}", json={"label": "x"}).status_code == 400


def test_a_page_of_another_site_cannot_label(client: TestClient) -> None:
    for path, method in (("/api/labels/3", "PUT"), ("/api/labels/3", "DELETE"), ("/api/labels/import", "POST")):
        sent = client.request(method, path, content=b"{}", headers={"Content-Type": "text/plain"})
        assert sent.status_code == 415
        assert client.request(method, path, json={}, headers={"Host": "evil.example"}).status_code == 403


def test_with_a_token_only_whoever_has_it_labels(runs: Path) -> None:
    with TestClient(create_app(DirectoryStore(runs), access=Access("secret"))) as client:
        assert client.get("/api/labels").json()["needs_token"] is True
        assert client.put("/api/labels/3", json={"label": "x"}).status_code == 401
        headers = {"Authorization": "Bearer secret"}
        assert client.put("/api/labels/3", json={"label": "x"}, headers=headers).status_code == 200


def test_lists_of_labelled_and_starred_features_follow_at_once(client: TestClient) -> None:
    fired = ids(client, "sort=feature_id&order=asc")
    one, two = fired[1], fired[3]
    assert ids(client, "labelled=true") == []
    put(client, two, label="two")
    put(client, one, label="one", starred=True)
    assert ids(client, "labelled=true&sort=feature_id&order=asc") == [one, two]
    assert ids(client, "starred=true") == [one]
    assert client.get(f"/api/feature_rank?id={two}&labelled=true&sort=feature_id&order=asc").json()["previous"] == one
    put(client, one, starred=False)
    assert ids(client, "starred=true") == []


def test_labels_that_did_not_change_are_not_sent_again(client: TestClient) -> None:
    put(client, 3, label="dates")
    tag = client.get("/api/labels").headers["ETag"]
    assert client.get("/api/labels", headers={"If-None-Match": tag}).status_code == 304
    put(client, 3, label="years")
    assert client.get("/api/labels", headers={"If-None-Match": tag}).status_code == 200


def test_an_export_is_an_import(client: TestClient) -> None:
    put(client, 3, label="dates\n\u202e<b>", note="é", starred=True)
    put(client, 5, starred=True)
    before, lines = labels(client), client.get("/api/labels/export")
    assert lines.headers["Content-Type"].startswith("application/x-ndjson")
    for feature_id in (3, 5):
        client.request("DELETE", f"/api/labels/{feature_id}", json={})
    outcome = client.post("/api/labels/import", content=lines.content, headers=LINES)
    assert outcome.json() == {
        "taken": 2,
        "added": 2,
        "changed": 0,
        "unchanged": 0,
        "num_conflicts": 0,
        "conflicts": [],
        "num_skipped": 0,
        "skipped": [],
    }
    now = labels(client)
    assert {key: one | {"updated_at": ""} for key, one in now.items()} == {
        key: one | {"updated_at": ""} for key, one in before.items()
    }


def test_an_import_says_which_lines_it_left_out(client: TestClient) -> None:
    content = b'{"index": "3", "description": "dates"}\n{"index": "4", "description": ""}\nx'
    outcome = client.post("/api/labels/import", content=content, headers=LINES).json()
    assert (outcome["taken"], outcome["num_skipped"]) == (1, 2)
    assert outcome["skipped"][1] == {"line": 3, "why": "it is not JSON"}


def test_an_import_keeps_what_is_said_and_says_so(client: TestClient) -> None:
    put(client, 3, label="dates")
    content = b'{"feature_id": 3, "label": "years", "note": "a note"}'
    outcome = client.post("/api/labels/import", content=content, headers=LINES).json()
    assert (outcome["taken"], outcome["changed"], outcome["num_conflicts"], outcome["num_skipped"]) == (1, 1, 1, 0)
    assert outcome["conflicts"] == [{"line": 1, "why": "feature 3 has another label already"}]
    assert (labels(client)[3]["label"], labels(client)[3]["note"]) == ("dates", "a note")
    again = client.post("/api/labels/import?replace=true", content=content, headers=LINES).json()
    assert (again["changed"], again["num_conflicts"]) == (1, 0)
    assert labels(client)[3]["label"] == "years"


@pytest.mark.parametrize("replace", ["false", "true"])
def test_a_dry_run_says_what_an_import_would_do_and_does_nothing(client: TestClient, replace: str) -> None:
    put(client, 3, label="dates")
    before = labels(client)
    content = b'{"feature_id": 3, "label": "years"}\n{"feature_id": 4, "label": "months"}\nx'
    planned = client.post(f"/api/labels/import?dry_run=true&replace={replace}", content=content, headers=LINES).json()
    assert labels(client) == before
    assert planned["taken"] == (2 if replace == "true" else 1)
    done = client.post(f"/api/labels/import?replace={replace}", content=content, headers=LINES).json()
    assert done == planned
    assert labels(client) != before


def test_an_import_that_is_no_text_is_refused(client: TestClient) -> None:
    assert client.post("/api/labels/import", content=b"\xff\xfe", headers=LINES).status_code == 400


def test_people_who_label_at_once_lose_nothing(runs: Path) -> None:
    with TestClient(create_app(DirectoryStore(runs))) as one, TestClient(create_app(DirectoryStore(runs))) as two:
        numbers = range(40)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: put((one, two)[n % 2], n % 20, **{("label", "note")[n % 2]: f"{n}"}), numbers))
        said = labels(one)
        assert said == labels(two)
    # even numbers are labels of even features, odd ones notes of odd features; the second one of each is later or not
    assert {n: one["label"] in (str(n), str(n + 20)) for n, one in said.items() if n % 2 == 0} == dict.fromkeys(
        range(0, 20, 2), True
    )
    assert {n: one["note"] in (str(n), str(n + 20)) for n, one in said.items() if n % 2} == dict.fromkeys(
        range(1, 20, 2), True
    )


def test_in_a_bucket_writers_of_two_processes_lose_nothing(s3: S3Server) -> None:
    s3.client().make_bucket("labels")

    def log() -> LabelLog:
        """As another process has it: a client and a memory of its own."""
        return LabelLog(ObjectStore(s3.endpoint, s3.access_key, s3.secret_key, "labels"), "c" * 64)

    def write(writer: int) -> None:
        mine = log()
        for step in range(10):
            mine.write([Change(writer * 10 + step, {"label": f"{writer}-{step}"})])

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, range(3)))
    expected = {writer * 10 + step: f"{writer}-{step}" for writer in range(3) for step in range(10)}
    assert {entry.feature_id: entry.label for entry in log().read().present} == expected
