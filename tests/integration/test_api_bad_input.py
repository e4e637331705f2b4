"""What the API answers to wrong questions and about damaged runs: a sentence as JSON with a fitting status, not 500."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from services.api.app import create_app
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.commands import small_run

READ_ONLY = ["/api/features", "/api/feature", "/api/feature_info", "/api/options", "/healthz", "/readyz"]
ENDPOINTS = [*READ_ONLY, "/api/runs"]
NO_INTEGERS = ["", " ", "x", "1.0", "1e3", " 1", "1 ", "+1", "--1", "-", "0x10", "1_000", "٣", "²", "1\n", "\0", "nan"]
NO_RUNS = [
    "x",
    "..",
    "../..",
    "../../etc",
    "./run",
    "a/../b",
    "a..b",
    "/etc/passwd",
    ".hidden",
    "run\0",
    "\0",
    "run\n",
    "%2e%2e%2f",
    "..\\..",
    "C:\\",
    "run " * 3,
    "é",
    "💥",
    "a" * 201,
    "a" * 20_000,
    "demo-headlines.csv",
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one finished run."""
    root = tmp_path_factory.mktemp("runs")
    small_run(DirectoryStore(root), tmp_path_factory.mktemp("source"))
    return root


@pytest.fixture(scope="module")
def client(made: Path) -> Iterator[TestClient]:
    (made / "demo-headlines.csv").touch()  # what isn't a run may be there too
    with TestClient(create_app(DirectoryStore(made))) as client:
        yield client


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """The finished run, in a folder of runs whose files a test may damage."""
    (name,) = (path.name for path in made.iterdir() if path.is_dir())
    shutil.copytree(made / name, tmp_path / "runs" / name)
    return tmp_path / "runs" / name


def error(client: TestClient, path: str, status: int, **query: str | int) -> str:
    """The sentence of an answer that must have this status."""
    response = client.get(path, params=query)
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/json"
    content = response.json()
    assert list(content) == ["error"]
    return str(content["error"])


def id_for(path: str) -> dict[str, str | int]:
    """What an endpoint needs to know which feature is meant."""
    return {} if path == "/api/features" else {"id": 1}


def change(run: Path, **changes: Any) -> None:
    """Change entries of a run's metadata."""
    metadata = json.loads((run / "metadata.json").read_text(encoding="utf-8"))
    (run / "metadata.json").write_text(json.dumps(metadata | changes), encoding="utf-8")


def add_run(beside: Path, run_id: str, **changes: Any) -> Path:
    """A copy of a run under another name."""
    run = beside.with_name(run_id)
    shutil.copytree(beside, run)
    change(run, run_id=run_id, **changes)
    return run


@pytest.mark.parametrize("path", ["/api/feature", "/api/feature_info"])
@pytest.mark.parametrize("number", [-1, 256, 2**31, 2**63, 10**18, -(10**18)])
def test_an_id_that_no_feature_has_is_400_with_the_range(client: TestClient, path: str, number: int) -> None:
    assert error(client, path, 400, id=number) == f"id must be from 0 to 255, not {number}"


@pytest.mark.parametrize("path", ["/api/feature", "/api/feature_info"])
def test_a_missing_id_is_400(client: TestClient, path: str) -> None:
    assert error(client, path, 400) == f"id is missing: ask as in {path}?id=12"


def test_a_number_of_thousands_of_digits_is_400_and_not_repeated_whole(client: TestClient) -> None:
    assert len(error(client, "/api/feature", 400, id="9" * 10_000)) < 100


def test_an_unknown_metric_is_400_with_the_known(client: TestClient) -> None:
    known = client.get("/api/features").json()["metrics_available"]
    assert error(client, "/api/features", 400, metric="loudness") == (
        f"there is no metric 'loudness'; there are {', '.join(known)}"
    )


@pytest.mark.parametrize(
    ("path", "name", "advice"),
    [
        ("/api/features", "limits", "did you mean limit?"),
        ("/api/feature_info", "idd", "did you mean id?"),
        ("/api/feature_info", "x", "there are run, id, top_k"),
        ("/api/runs", "run", "there are none here"),
        ("/healthz", "x", "there are none here"),
    ],
)
def test_an_unknown_parameter_is_400_with_advice(client: TestClient, path: str, name: str, advice: str) -> None:
    assert error(client, path, 400, **{name: 1}) == f"there is no parameter {name!r}; {advice}"


def test_what_is_in_the_path_is_not_taken_from_the_query_too(client: TestClient) -> None:
    message = error(client, "/api/prompts/3", 400, row_id=4)
    assert message == "there is no parameter 'row_id'; there are run"


@pytest.mark.parametrize(
    "query",
    [{"path": "/api/features"}, {"path": "/api/feature", "id": 1}, {"path": "/api/feature_info", "id": 1}],
    ids=str,
)
def test_an_unknown_run_is_404_whatever_its_name(client: TestClient, query: dict[str, Any]) -> None:
    for run in NO_RUNS:
        message = error(client, status=404, run=run, **query)
        assert message.startswith(f"there is no run {run[:200]!r}")
        assert len(message) < 2000


@pytest.mark.parametrize("path", READ_ONLY)
def test_other_methods_than_get_are_405_and_say_which_there_are(client: TestClient, path: str) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        response = client.request(method, path)
        assert response.status_code == 405
        assert response.json() == {"error": "Method Not Allowed"}
        assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", ""), ("POST", "/x/cancel"), ("POST", "/x/resume"), ("DELETE", "/x"), ("DELETE", "/%2e%2e")],
)
def test_without_services_runs_cannot_be_changed_and_the_sentence_says_why(
    client: TestClient, method: str, path: str
) -> None:
    response = client.request(method, f"/api/runs{path}", json={})
    assert response.status_code == 405
    assert response.json() == {
        "error": "no services are behind this API, so runs can only be looked at; `saescope run` does runs in this "
        "folder"
    }
    assert response.headers["Allow"] == "GET, HEAD"


def test_without_services_the_options_say_that_no_run_can_be_started(client: TestClient) -> None:
    answer = client.get("/api/options").json()
    assert (answer["can_start"], answer["data_files"]) == (False, [])
    assert "needs_token" not in answer


@pytest.mark.parametrize("path", ["/api/nothing", "/api", "/api/", "/api/features/", "/api/feature/1", "/nothing", "/"])
def test_unknown_paths_are_404(client: TestClient, path: str) -> None:
    assert error(client, path, 404) == f"there is nothing at {path}"


words = st.one_of(st.text(max_size=30), st.integers().map(str), st.sampled_from([*NO_INTEGERS, *NO_RUNS, "0", "12"]))
names = st.one_of(st.sampled_from(["id", "run", "metric", "order", "limit", "offset", "top_k"]), st.text(max_size=9))


@settings(max_examples=40, deadline=None)
@given(path=st.sampled_from(ENDPOINTS), query=st.lists(st.tuples(names, words), max_size=5))
def test_every_query_gets_json_and_never_500(client: TestClient, path: str, query: list[tuple[str, str]]) -> None:
    response = client.get(path, params=[*query])
    assert response.status_code in (200, 400, 404)
    assert isinstance(response.json(), dict)


@settings(max_examples=80, deadline=None)
@given(path=st.sampled_from(ENDPOINTS), query=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60))
def test_every_raw_query_string_gets_json_and_never_500(client: TestClient, path: str, query: str) -> None:
    response = client.get(f"{path}?{query.replace('#', '%23')}")
    assert response.status_code in (200, 400, 404)
    assert isinstance(response.json(), dict)


def test_without_any_run_the_sentence_says_how_to_make_one(tmp_path: Path) -> None:
    with TestClient(create_app(DirectoryStore(tmp_path))) as client:
        assert client.get("/api/runs").json() == {"runs": []}
        message = error(client, "/api/features", 404)
        assert message == "there is no finished run yet: start one with `saescope run`"


@pytest.mark.parametrize("status", ["running", "failed", "interrupted"])
def test_the_default_is_the_newest_finished_run(copy: Path, status: str) -> None:
    newer = add_run(copy, "20300101-000000_run-002").name
    unfinished = add_run(copy, "20310101-000000_run-003", status=status).name
    with TestClient(create_app(DirectoryStore(copy.parent))) as client:
        assert client.get("/api/features").json()["run"] == newer
        assert client.get("/api/features", params={"run": copy.name}).json()["run"] == copy.name
        message = error(client, "/api/features", 404, run=unfinished)
        assert message == f"run {unfinished} has nothing to show yet: it is {status}"
        listed = [(run["id"], run["status"]) for run in client.get("/api/runs").json()["runs"]]
        assert listed == [(unfinished, status), (newer, "complete"), (copy.name, "complete")]


def test_a_run_that_finishes_later_becomes_the_default(copy: Path) -> None:
    newer = add_run(copy, "20300101-000000_run-002", status="running")
    with TestClient(create_app(DirectoryStore(copy.parent))) as client:
        assert client.get("/api/features").json()["run"] == copy.name
        change(newer, status="completed_with_errors")
        assert client.get("/api/features").json()["run"] == newer.name


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "null",
        "[]",
        "{}",
        "\xff",
        "nonsense",
        {"status": "unheard of"},
        {"subject": {}},
        {"metrics": []},
        {"metrics": [{"name": "x"}]},
        {"num_features": 0},
        {"num_features": "many"},
        {"options": {}, "autoencoder": {}},
    ],
)
def test_a_run_with_damaged_metadata_hides_no_other_run(copy: Path, content: str | dict[str, Any]) -> None:
    damaged = add_run(copy, "20300101-000000_run-002")
    if isinstance(content, dict):
        change(damaged, **content)
    else:
        (damaged / "metadata.json").write_bytes(content.encode("latin-1"))
    with TestClient(create_app(DirectoryStore(copy.parent))) as client:
        assert [run["id"] for run in client.get("/api/runs").json()["runs"]] == [copy.name]
        assert client.get("/api/features").json()["run"] == copy.name
        message = error(client, "/api/features", 503, run=damaged.name)
        assert message.startswith(f"the metadata.json of run {damaged.name} can't be understood (")
        assert "\n" not in message


# What is asked, and a file that it can't be answered without.
NEEDED: list[tuple[str, dict[str, str | int], str]] = [
    ("/api/features", {}, "overview.parquet"),
    ("/api/features", {"details": "true"}, "vocabulary.json"),
    ("/api/features", {"token": "a"}, "vocabulary.json"),
    ("/api/feature_rank", {"id": 5}, "overview.parquet"),
    ("/api/feature", {"id": 5}, "features/00000.parquet"),
    ("/api/feature_info", {"id": 5}, "features/00000.parquet"),
    ("/api/features", {"token": "a"}, "features_by_token.parquet"),
    ("/api/feature_info", {"id": 5}, "tokens_by_feature.parquet"),
]
# Runs of earlier versions lack it, so it may be missing, but not be damaged.
ALSO_READ: list[tuple[str, dict[str, str | int], str]] = [
    ("/api/feature_info", {"id": 5}, "positions.parquet"),
    ("/api/features", {"sort": "cut_share"}, "positions.parquet"),
]


@pytest.mark.parametrize(("path", "query", "name"), NEEDED + ALSO_READ)
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.999])
def test_a_truncated_file_is_503_with_a_sentence(
    copy: Path, path: str, query: dict[str, str | int], name: str, kept: float
) -> None:
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: int(len(content) * kept)])
    with TestClient(create_app(DirectoryStore(copy.parent))) as client:
        message = error(client, path, 503, **query)
    assert message == f"run {copy.name} can't be shown, its file {copy.name}/{name} is damaged: run it again"


@pytest.mark.parametrize(("path", "query", "name"), NEEDED)
def test_a_missing_file_is_503_with_a_sentence(copy: Path, path: str, query: dict[str, str | int], name: str) -> None:
    (copy / name).unlink()
    with TestClient(create_app(DirectoryStore(copy.parent))) as client:
        message = error(client, path, 503, **query)
    assert message == f"run {copy.name} can't be shown, its file {copy.name}/{name} is missing: run it again"


@pytest.mark.parametrize("vocabulary", ["[]", "{}", "5", "null", "[1, 2]", '["a"]'])
@pytest.mark.parametrize("query", [{"details": "true"}, {"token": "a"}])
def test_a_vocabulary_of_something_else_is_503_with_a_sentence(
    copy: Path, query: dict[str, str | int], vocabulary: str
) -> None:
    (copy / "vocabulary.json").write_text(vocabulary)
    with TestClient(create_app(DirectoryStore(copy.parent))) as client:
        assert "vocabulary.json is damaged" in error(client, "/api/features", 503, **query)


def test_an_overview_of_another_run_is_503_with_a_sentence(copy: Path) -> None:
    change(copy, metrics=[{"name": "loudness", "description": "A metric that the file doesn't have."}])
    with TestClient(create_app(DirectoryStore(copy.parent))) as client:
        assert "overview.parquet is damaged" in error(client, "/api/features", 503)


def test_a_link_that_leads_out_of_the_runs_is_no_run(copy: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    shutil.copytree(copy, outside)
    (copy.parent / "linked").symlink_to(outside)
    with TestClient(create_app(DirectoryStore(copy.parent))) as client:
        assert error(client, "/api/features", 404, run="linked") == "there is no run 'linked'"
