"""Runs of earlier versions open; those of later ones say which version they need; today's files say what they are.

`tests/fixtures/runs-without-format` was made before files said what format they are of: 200 of the demo's headlines
through its language model and the first 128 latents of its autoencoder, finished; and 80, interrupted after the second
of four chunks.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from services.api.app import create_app
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.reading.run_rows import WantedRows
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.format_version import NewerFormatError
from sparse_autoencoder.runs.publishing import publish
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.live_runs import LiveWriter
from tests.support.runs import World, read_json, read_json_lines, read_tables

EARLIER = Path(__file__).parents[1] / "fixtures" / "runs-without-format"
FINISHED = "20261128-213201_run-001"
AGAIN = "20261128-213201_run-003"  # the same files under another name
UPDATE = "has format 2, and this version of saescope reads formats up to 1: update saescope"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with two finished runs of the earlier version, and an interrupted one."""
    shutil.copytree(EARLIER, tmp_path / "runs")
    shutil.copytree(EARLIER / FINISHED, tmp_path / "runs" / AGAIN)
    return tmp_path / "runs"


@pytest.fixture
def client(root: Path) -> Iterator[TestClient]:
    with TestClient(create_app(DirectoryStore(root))) as client:
        yield client


def get(client: TestClient, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


# A run of an earlier version.


def test_an_earlier_runs_counts_and_rankings_are_shown(root: Path) -> None:
    view = RunLibrary(DirectoryStore(root)).open(FINISHED)
    assert (view.metadata.num_prompts, view.metadata.num_tokens, view.metadata.num_active_features) == (200, 2557, 113)
    recorded = read_json(root / FINISHED, "feature_stats.json")["metrics"]
    assert len(recorded) == 7
    for name, metric in recorded.items():
        for feature in metric["top_features"]:
            assert view.statistics.metrics[name][feature["feature_id"]] == feature["value"]


def test_every_feature_of_an_earlier_run_is_shown(root: Path) -> None:
    view = RunLibrary(DirectoryStore(root)).open(FINISHED)
    stored = read_tables(root / FINISHED, "features")
    assert len(stored) == 128
    for feature in stored:
        shown = view.feature(feature["feature_id"])
        assert shown == {name: feature[name] for name in ("histogram", "top", "random")}


def test_what_an_earlier_run_did_not_count_is_left_out_or_said(root: Path) -> None:
    with TestClient(create_app(DirectoryStore(root))) as client:
        info = client.get("/api/feature_info", params={"run": FINISHED, "id": 0}).json()
        refused = client.get("/api/features", params={"run": FINISHED, "sort": "early_share"})
    assert info["num_active_tokens"] >= 0
    assert not {"bands", "positions"} & info.keys()
    assert refused.status_code == 400
    assert (
        "an earlier version of saescope, which did not count what that takes; run it again" in refused.json()["error"]
    )


def test_an_earlier_runs_rows_are_listed_found_and_shown(root: Path) -> None:
    rows = RunLibrary(DirectoryStore(root)).open(FINISHED).rows
    texts = [line["prompt"] for line in read_json_lines(root / FINISHED, "prompts.jsonl")]
    assert [row.text for row in rows.page(0, 1000).rows] == texts
    assert [row.text for row in rows.page(0, 1000, WantedRows("baidu")).rows] == [
        text for text in texts if "baidu" in text.lower()
    ]
    assert "".join(rows.row(0).tokens) == texts[0] == "Cramer Says to Buy Baidu, Sell Expedia"


def test_the_api_answers_about_an_earlier_run(client: TestClient) -> None:
    listed = {entry["id"]: entry for entry in get(client, "/api/runs")["runs"]}
    assert {run_id: entry["status"] for run_id, entry in listed.items()} == {
        FINISHED: "complete",
        AGAIN: "complete",
        "20261128-213204_run-002": "interrupted",
    }
    assert listed[FINISHED] == get(client, f"/api/runs/{FINISHED}")
    features = get(client, f"/api/features?run={FINISHED}&limit=3&details=true")
    assert [feature["feature_id"] for feature in features["features"]] == [
        feature["feature_id"] for feature in get(client, f"/api/features?run={AGAIN}&limit=3")["features"]
    ]
    top = features["features"][0]["feature_id"]
    shown = get(client, f"/api/feature?run={FINISHED}&id={top}")
    assert shown["tokens"][0]["activation"] == features["features"][0]["metrics"]["max_activation"]
    assert get(client, f"/api/feature_info?run={FINISHED}&id={top}")["top"]
    assert len(get(client, f"/api/prompts?run={FINISHED}&limit=50")["prompts"]) == 50
    assert get(client, f"/api/prompts/7?run={FINISHED}")["row_id"] == 7
    compared = get(client, f"/api/compare?a={FINISHED}&b={AGAIN}")
    assert compared["features"]
    assert {feature["log_ratio"] for feature in compared["features"]} == {0.0}


# Today's files.


@pytest.fixture(scope="module")
def today(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run made now."""
    root = tmp_path_factory.mktemp("today")
    return root / run(world.options(), DirectoryStore(root)).run_id


@pytest.mark.usefixtures("quick")
def test_every_file_of_a_run_is_of_a_stated_format(today: Path) -> None:
    parquet = sorted(today.rglob("*.parquet"))
    assert {path.parent.name for path in parquet} == {"features", "prompts", today.name}
    assert {pq.read_schema(path).metadata[b"saescope.format"] for path in parquet} == {b"1"}
    for name in ("metadata.json", "feature_stats.json", "feature_tokens.json"):
        assert read_json(today, name)["format_version"] == 1


# Files of a later version, or of none that there can be.


def with_version(data: bytes, version: bytes) -> bytes:
    table, sink = pq.read_table(io.BytesIO(data)), io.BytesIO()
    pq.write_table(table.replace_schema_metadata({b"saescope.format": version}), sink, row_group_size=16)
    return sink.getvalue()


def change(root: Path, name: str, to: Callable[[bytes], bytes]) -> None:
    path = root / AGAIN / name
    path.write_bytes(to(path.read_bytes()))


def set_metadata(**changes: Any) -> Callable[[bytes], bytes]:
    return lambda data: json.dumps(json.loads(data) | changes).encode()


def show_all(root: Path) -> None:
    view = RunLibrary(DirectoryStore(root)).open(AGAIN)
    assert len(view.statistics.count) == 128
    view.feature(0)
    view.rows.page(0, 1000)


PARQUET = ["overview.parquet", "features/00000.parquet", "prompts/000000.parquet", "prompts/000001.parquet"]


@pytest.mark.parametrize("name", PARQUET)
def test_a_later_versions_file_is_refused_with_advice(root: Path, name: str) -> None:
    show_all(root)
    change(root, name, lambda data: with_version(data, b"2"))
    with pytest.raises(SaescopeError, match=rf"^run {AGAIN} can't be shown: .*{name} {UPDATE}$"):
        show_all(root)


@pytest.mark.parametrize("name", PARQUET)
def test_a_version_that_is_none_is_damage(root: Path, name: str) -> None:
    change(root, name, lambda data: with_version(data, b"two"))
    with pytest.raises(
        SaescopeError, match=rf"^run {AGAIN} can't be shown, its file .*{name} is damaged: run it again$"
    ):
        show_all(root)


def test_a_later_versions_run_is_refused_with_advice_whatever_else_is_in_its_metadata(root: Path) -> None:
    change(root, "metadata.json", set_metadata(format_version=2))
    with pytest.raises(NewerFormatError, match=f"^run {AGAIN} {UPDATE}$"):
        show_all(root)
    change(root, "metadata.json", set_metadata(status="splendid", options=None))
    with pytest.raises(NewerFormatError, match=f"^run {AGAIN} {UPDATE}$"):
        show_all(root)


@pytest.mark.parametrize("options", [{"source": "x.csv", "later": 1}, None, {"seed": "none"}])
def test_a_later_versions_run_is_listed_with_what_to_do(root: Path, client: TestClient, options: object) -> None:
    change(root, "metadata.json", set_metadata(format_version=2, options=options))
    (entry,) = (entry for entry in get(client, "/api/runs")["runs"] if entry["id"] == AGAIN)
    assert (entry["status"], entry["error"]) == ("failed", f"run {AGAIN} {UPDATE}")
    assert entry["can"] == {"cancel": False, "resume": False, "retry": False, "delete": False}
    answer = client.get(f"/api/features?run={AGAIN}")
    assert (answer.status_code, answer.json()["error"]) == (503, f"run {AGAIN} {UPDATE}")
    assert get(client, "/api/features")["run"] == FINISHED  # the newest that can be shown


def test_a_later_encoders_rows_are_not_published(tmp_path: Path) -> None:
    writer = LiveWriter.start(DirectoryStore(tmp_path))
    writer.add(12)
    folder: RunFolder = writer.folder
    folder.store.put(folder.prompts(0), with_version(folder.store.get(folder.prompts(0)), b"2"))
    with pytest.raises(NewerFormatError, match=f"^a prompts file {UPDATE}$"):
        publish(folder, writer.metadata, writer.state, [0])
