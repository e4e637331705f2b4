"""Lists as tables to take away hold what the same lists say as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from services.api.app import ENDPOINTS, create_app
from services.api.http import table_answers
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.runs import World, one_thread

Entry = dict[str, Any]
QUESTIONS = {
    "/api/features": "sort=max_activation&details=true",
    "/api/together": "id={feature}&support=1",
    "/api/compare": "a={run}&b={run}&part_a=half:0&part_b=half:1",
}


@dataclass(frozen=True)
class Lists:
    client: TestClient
    run_id: str
    feature: int

    def path(self, endpoint: str, more: str = "") -> str:
        return f"{endpoint}?{QUESTIONS[endpoint].format(feature=self.feature, run=self.run_id)}{more}"

    def whole(self, endpoint: str) -> list[Entry]:
        """The list as JSON."""
        answer = self.client.get(self.path(endpoint, "&limit=10000")).json()
        (key,) = [one.table for one in ENDPOINTS if one.path == endpoint]
        listed: list[Entry] = answer[key]
        return listed

    def table(self, endpoint: str, kind: str, more: str = "") -> list[Entry]:
        """The list as a table, read as what people have reads it."""
        answer = self.client.get(self.path(endpoint, f"&format={kind}{more}"))
        assert answer.status_code == 200, answer.text
        if kind == "parquet":
            rows: list[Entry] = pq.read_table(io.BytesIO(answer.content)).to_pylist()
            return rows
        return list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))


@pytest.fixture(scope="module")
def lists(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lists]:
    root = tmp_path_factory.mktemp("runs")
    with one_thread():
        done = run(world.options(keep_firings=True), DirectoryStore(root))
    with TestClient(create_app(DirectoryStore(root))) as client:
        listed = client.get("/api/features", params={"sort": "num_active_tokens", "limit": 1}).json()["features"]
        yield Lists(client, done.run_id, listed[0]["feature_id"])


def columns_of(entry: Entry, prefix: str = "") -> Entry:
    """A table's columns for an entry of a list."""
    columns: Entry = {}
    for name, value in entry.items():
        if isinstance(value, dict) and name != "hist":
            columns |= columns_of(value, f"{prefix}{name}.")
        else:
            is_json = isinstance(value, list | dict)
            columns[prefix + name] = json.dumps(value, separators=(",", ":")) if is_json else value
    return columns


def test_every_list_that_can_be_had_as_a_table_is_asked_here() -> None:
    assert {endpoint.path for endpoint in ENDPOINTS if endpoint.table is not None} == set(QUESTIONS)


@pytest.mark.parametrize("endpoint", QUESTIONS)
def test_a_parquet_table_holds_the_whole_list(lists: Lists, endpoint: str) -> None:
    listed = lists.whole(endpoint)
    assert len(listed) > 20
    assert lists.table(endpoint, "parquet") == [columns_of(entry) for entry in listed]


@pytest.mark.parametrize("endpoint", QUESTIONS)
def test_a_csv_table_holds_the_whole_list(lists: Lists, endpoint: str) -> None:
    for row, entry in zip(lists.table(endpoint, "csv"), lists.whole(endpoint), strict=True):
        expected = columns_of(entry)
        assert row.keys() == expected.keys()
        for name, value in expected.items():
            if value is None:
                assert row[name] == ""
            elif isinstance(value, str):
                assert row[name] == value
            else:
                assert float(row[name]) == value


def test_a_table_is_put_together_from_blocks(lists: Lists, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = lists.table("/api/features", "parquet")
    monkeypatch.setattr(table_answers, "BLOCK", 7)
    assert lists.table("/api/features", "parquet", "&order=desc") == whole  # asked in other words: none is kept
    assert lists.table("/api/features", "parquet", "&limit=10") == whole[:10]
    assert lists.table("/api/features", "parquet", "&offset=20&limit=14") == whole[20:34]


def test_a_list_of_nothing_is_a_table_without_rows(lists: Lists) -> None:
    assert lists.table("/api/features", "csv", "&token=no+such+token") == []
    assert lists.table("/api/features", "parquet", "&token=no+such+token") == []


@pytest.mark.parametrize(("kind", "media_type"), [("csv", "text/csv"), ("parquet", "application/vnd.apache.parquet")])
def test_a_table_comes_as_a_file_that_is_named_after_its_run(lists: Lists, kind: str, media_type: str) -> None:
    answer = lists.client.get(lists.path("/api/together", f"&format={kind}"))
    run_id = lists.client.get("/api/runs").json()["runs"][0]["id"]
    assert answer.headers["Content-Type"].startswith(media_type)
    name = f"features-{run_id}-{lists.feature}.{kind}"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    again = lists.client.get(
        lists.path("/api/together", f"&format={kind}"), headers={"If-None-Match": answer.headers["ETag"]}
    )
    assert again.status_code == 304


def test_another_format_is_refused(lists: Lists) -> None:
    answer = lists.client.get("/api/features?format=xlsx")
    assert answer.status_code == 400
    assert answer.json()["error"] == "format is json, csv or parquet, not 'xlsx'"
