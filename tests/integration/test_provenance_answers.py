"""What the API says a run was made of, against the run's own files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import demo
from demo.headlines import write_csv
from services.api.app import create_app
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.live_runs import LiveWriter

NAME = "the <b>first</b> hundred"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run with a name."""
    folder = tmp_path_factory.mktemp("provenance")
    write_csv(100, 0, str(folder / "rows.csv"))
    options = RunOptions(
        name=NAME,
        source=str(folder / "rows.csv"),
        subject=str(demo.SUBJECT),
        autoencoder=str(demo.AUTOENCODER),
        layer=demo.LAYER,
        location=demo.LOCATION,
    )
    return folder / "runs" / run(options, DirectoryStore(folder / "runs")).run_id


@pytest.fixture
def client(made: Path) -> TestClient:
    return TestClient(create_app(DirectoryStore(made.parent)))


def test_models_are_told_by_the_hashes_of_their_files(client: TestClient, made: Path) -> None:
    told = client.get(f"/api/runs/{made.name}/provenance").json()
    files = told["model"]["files"]
    assert files == {name: sha256(Path(demo.SUBJECT) / name) for name in files}
    assert {"config.json", "tokenizer.json"} < files.keys()
    assert told["autoencoder"]["sha256"] == sha256(Path(demo.AUTOENCODER))
    assert told["autoencoder"]["num_bytes"] == Path(demo.AUTOENCODER).stat().st_size


def test_the_source_versions_and_processor_are_those_of_the_metadata(client: TestClient, made: Path) -> None:
    told = client.get(f"/api/runs/{made.name}/provenance").json()
    metadata = json.loads((made / "metadata.json").read_text(encoding="utf-8"))
    for name in ("source", "versions", "processor", "rows_hash"):
        assert told[name] == metadata[name]
    assert told["source"]["text_column"] == "title"


def test_every_file_of_the_run_is_counted_with_its_size(client: TestClient, made: Path) -> None:
    told = client.get(f"/api/runs/{made.name}/provenance").json()["files"]
    on_disk = [path for path in made.rglob("*") if path.is_file()]
    assert sum(entry["num_files"] for entry in told) == len(on_disk)
    assert sum(entry["num_bytes"] for entry in told) == sum(path.stat().st_size for path in on_disk)
    assert {"features/", "prompts/", "metadata.json"} <= {entry["name"] for entry in told}


def test_a_run_is_listed_with_its_name_which_only_its_metadata_have(client: TestClient, made: Path) -> None:
    (entry,) = client.get("/api/runs").json()["runs"]
    assert entry["name"] == NAME
    with_it = [path.name for path in made.rglob("*") if path.is_file() and b"first</b>" in path.read_bytes()]
    assert with_it == ["metadata.json"]


def test_of_a_run_that_is_going_what_is_known_is_told(tmp_path: Path) -> None:
    writer = LiveWriter.start(DirectoryStore(tmp_path), "20300101-000000_run-001")
    told = TestClient(create_app(DirectoryStore(tmp_path))).get(f"/api/runs/{writer.metadata.run_id}/provenance")
    assert told.status_code == 200
    assert told.json()["command"].startswith("saescope run")
    assert told.json()["rows_hash"] is None
