"""The columns that a run keeps are shown with its rows, which can be listed and searched by them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.testclient import TestClient

from services.api.app import create_app
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.runs import World


@dataclass(frozen=True)
class Kept:
    """A finished run that keeps `day` and `source`, the rows that it was made from, and a client of the API."""

    client: TestClient
    run_id: str
    rows: list[dict[str, Any]]

    def get(self, **query: str | int) -> Any:
        return self.client.get("/api/prompts", params=query)

    def listed(self, **query: str | int) -> list[dict[str, Any]]:
        """All rows of a list, which may end early as a search does."""
        found, first = [], 0
        while first is not None:
            answer = self.get(limit=1000, **{"from": first}, **query).json()
            found += answer["prompts"]
            first = answer["next"]
        return found


def columns_of(row: dict[str, Any]) -> dict[str, str | None]:
    return {"day": row["day"], "source": str(row["source"])}


@pytest.fixture(scope="module")
def kept(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    root = tmp_path_factory.mktemp("runs")
    run_id = run(world.options(), DirectoryStore(root)).run_id
    rows = [json.loads(line) for line in world.rows.read_text(encoding="utf-8").splitlines()]
    with TestClient(create_app(DirectoryStore(root))) as client:
        yield Kept(client, run_id, rows)


def test_a_rows_columns_are_shown_in_the_list_and_on_its_page(kept: Kept) -> None:
    for listed, row in zip(kept.listed(), kept.rows, strict=True):
        expected = {} if listed["skipped"] else columns_of(row)
        assert listed["columns"] == expected
        assert kept.client.get(f"/api/prompts/{listed['row_id']}").json()["columns"] == expected


def usable(row: dict[str, Any]) -> bool:
    return bool(row["title"].strip()) and "\0" not in row["title"]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"column": "source", "value": "3"}, lambda row: row["source"] == 3),
        ({"column": "day", "value": "day 2"}, lambda row: row["day"] == "day 2"),
        ({"column": "day", "value": "DAY 2"}, lambda _row: False),
        ({"column": "source", "contains": "BLO"}, lambda row: row["source"] == "blog"),
        ({"column": "day", "contains": "day"}, lambda row: row["day"] is not None),
        (
            {"column": "source", "value": "wire", "text": "apple"},
            lambda row: row["source"] == "wire" and "apple" in row["title"].lower(),
        ),
    ],
)
def test_rows_are_found_by_a_column(kept: Kept, query: dict[str, str], wanted: Any) -> None:
    expected = [row_id for row_id, row in enumerate(kept.rows) if usable(row) and wanted(row)]
    assert [row["row_id"] for row in kept.listed(**query)] == expected


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"column": "who", "value": "x"}, "run {run} has no column who: it keeps day, source"),
        ({"column": "day"}, "say what column day is to have, with value= or contains="),
        ({"value": "x"}, "value and contains are about a column; name it with column="),
    ],
)
def test_a_wrong_question_is_400_with_a_sentence(kept: Kept, query: dict[str, str], sentence: str) -> None:
    answer = kept.get(**query)
    assert (answer.status_code, answer.json()["error"]) == (400, sentence.format(run=kept.run_id))
