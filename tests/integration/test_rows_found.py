"""Features over-represented in the rows that a search finds, held against a count over the prompts files by hand."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from services.api.app import create_app
from services.api.endpoints.rows_found import FoundParameters, found_features
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.reading.rows_found import parts_of
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.runs import World
from tests.support.watched_store import Clock


@dataclass(frozen=True)
class Searched:
    """A finished run and a client of its API."""

    client: TestClient
    root: Path
    records: list[dict[str, Any]]  # of the prompts files, without skipped rows

    def get(self, path: str = "features", **query: str | int) -> Any:
        response = self.client.get(f"/api/prompts/{path}", params=query)
        assert response.status_code == 200, response.text
        return response.json()


@pytest.fixture(scope="module")
def searched(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searched]:
    root = tmp_path_factory.mktemp("runs")
    run_id = run(world.options(skip_directions=True), DirectoryStore(root)).run_id
    paths = sorted((root / run_id / "prompts").iterdir())
    records = pa.concat_tables([pq.read_table(path) for path in paths]).to_pylist()
    with TestClient(create_app(DirectoryStore(root))) as client:
        yield Searched(client, root, [record for record in records if record["skipped"] is None])


def features_of(records: list[dict[str, Any]]) -> Counter[int]:
    return Counter(entry["feature_id"] for record in records for entry in record["features"])


def g_squared(hits: int, found: int, rows: int, searched: int) -> float:
    """Dunning's log-likelihood ratio of the two shares."""
    table = {(hits, rows, found), (found - hits, searched - rows, found)}
    rest = searched - found
    total = 0.0
    for observed, row_sum, column_sum in [
        *table,
        (rows - hits, rows, rest),
        (rest - rows + hits, searched - rows, rest),
    ]:
        if observed:
            total += 2 * observed * math.log(observed * searched / (row_sum * column_sum))
    return total


@pytest.mark.parametrize("text", ["raises", "PRICE", "to buy", "Q"])
def test_hits_lift_and_surprise_are_those_of_a_count_by_hand(searched: Searched, text: str) -> None:
    found = [record for record in searched.records if text.lower() in record["text"].lower()]
    hits, everywhere = features_of(found), features_of(searched.records)
    n, total = len(found), len(searched.records)
    answer = searched.get(text=text, min_hits=2, limit=500)
    assert (answer["num_found"], answer["num_searched"], answer["next"]) == (n, total, None)
    expected = {
        feature: g_squared(hits[feature], n, everywhere[feature], total)
        for feature in hits
        if hits[feature] >= 2 and hits[feature] * total > everywhere[feature] * n
    }
    assert len(expected) > 2
    assert answer["num_matching"] == len(expected)
    assert {one["feature_id"]: one["surprise"] for one in answer["features"]} == pytest.approx(expected)
    values = [one["surprise"] for one in answer["features"]]
    assert values == sorted(values, reverse=True)
    for one in answer["features"]:
        feature = one["feature_id"]
        assert (one["hits"], one["num_rows"]) == (hits[feature], everywhere[feature])
        assert one["share"] == pytest.approx(hits[feature] / n)
        assert one["lift"] == pytest.approx(hits[feature] * total / (n * everywhere[feature]))


def test_rows_can_be_those_with_a_value_in_a_column(searched: Searched) -> None:
    day = next(record["columns"]["day"] for record in searched.records if record["columns"]["day"])
    found = [record for record in searched.records if record["columns"]["day"] == day]
    answer = searched.get(column="day", value=day, min_hits=1, limit=500)
    assert answer["num_found"] == len(found) > 1
    hits = features_of(found)
    assert all(one["hits"] == hits[one["feature_id"]] for one in answer["features"])


def test_features_of_few_rows_are_left_out_and_the_list_ends_where_asked(searched: Searched) -> None:
    whole = searched.get(text="raises", min_hits=1, limit=500)
    few = searched.get(text="raises", min_hits=4, limit=2)
    assert few["features"] == [one for one in whole["features"] if one["hits"] >= 4][:2]
    assert few["num_matching"] == sum(one["hits"] >= 4 for one in whole["features"]) > 2


def test_no_feature_is_over_represented_in_all_rows_or_in_none(searched: Searched) -> None:
    for query in ({}, {"text": "no row has this"}):
        answer = searched.get(**query)
        assert (answer["features"], answer["num_matching"]) == ([], 0)


def test_what_takes_too_long_is_over_the_rows_searched_by_then_and_says_so(searched: Searched) -> None:
    clock = Clock()

    def ticking() -> float:
        clock.now += 0.4
        return clock()

    view = RunLibrary(DirectoryStore(searched.root)).newest()
    answer = found_features(view, FoundParameters.model_validate({"text": "raises", "limit": "500"}), ticking)
    before = [record for record in searched.records if record["row_id"] < (answer["next"] or 0)]
    assert 0 < len(before) < len(searched.records)
    assert answer["num_searched"] == len(before)
    assert answer["num_found"] == sum("raises" in record["text"] for record in before)
    everywhere = features_of(before)
    assert all(one["num_rows"] == everywhere[one["feature_id"]] for one in answer["features"])


def test_a_column_that_is_not_kept_is_400(searched: Searched) -> None:
    response = searched.client.get("/api/prompts/features", params={"column": "stars", "value": "5"})
    assert response.status_code == 400
    assert "no column" in response.json()["error"]


def test_parts_of_a_text_have_the_rows_with_each(searched: Searched) -> None:
    answer = searched.get("parts", text="Apple raises nowhere")
    texts = [record["text"].lower() for record in searched.records]
    assert json.loads(json.dumps(answer["parts"])) == [
        {"text": part, "num_rows": sum(part.lower() in text for text in texts)}
        for part in ["Apple raises", "raises nowhere", "Apple", "raises", "nowhere"]
    ]
    assert answer["num_searched"] == len(texts)
    assert [part["num_rows"] > 0 for part in answer["parts"]][2:] == [True, True, False]


def test_parts_are_shorter_phrases_and_words_or_beginnings_of_a_word_alone() -> None:
    assert parts_of("price target") == ["price", "target"]
    assert parts_of("  price  target ") == ["price target", "price", "target"]
    assert parts_of("Downgraded") == ["Downgrade", "Downgrad", "Downgra", "Downgr"]
    assert parts_of(" up ") == ["up"]
    assert parts_of("up") == []
    assert len(parts_of("a b c d e f g h i j k")) == 10
