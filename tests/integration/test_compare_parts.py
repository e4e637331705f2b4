"""Parts of runs compared: groups of --group-by as runs of their own, and the random halves of a run's texts."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.testclient import TestClient

import demo
from demo.headlines import generate
from services.api.app import create_app
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import DirectoryStore


@dataclass(frozen=True)
class Grouped:
    """A run of two sources' rows with --group-by, a run of each source alone, and a client of the API."""

    client: TestClient
    both: str
    bulls: str
    bears: str

    def get(self, a: str, b: str, **query: str | int) -> Any:
        response = self.client.get("/api/compare", params={"a": a, "b": b, "limit": 5000, **query})
        assert response.status_code == 200, response.text
        return response.json()


PLANTED = " zebra"


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grouped]:
    """Every tenth row of the bears ends with a word that no other row has; some rows are in both sources."""
    root, source = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("source")
    titles = [headline.title for headline in generate(700, 3)]
    bulls, bears = titles[:400], titles[380:]
    bears = [title + PLANTED if i % 10 == 0 else title for i, title in enumerate(bears)]
    rows = [(title, "bulls") for title in bulls] + [(title, "bears") for title in bears]
    random.Random(1).shuffle(rows)
    ids = []
    for wanted in (("bulls", "bears"), ("bulls",), ("bears",)):
        path = source / f"{'-'.join(wanted)}.jsonl"
        lines = [json.dumps({"title": title, "source": of}) for title, of in rows if of in wanted]
        path.write_text("\n".join(lines), encoding="utf-8")
        options = RunOptions(
            source=str(path),
            subject=str(demo.SUBJECT),
            autoencoder=str(demo.AUTOENCODER),
            layer=demo.LAYER,
            location=demo.LOCATION,
            group_by="source",
            chunk_size=300,
        )
        ids.append(run(options, DirectoryStore(root)).run_id)
    with TestClient(create_app(DirectoryStore(root))) as client:
        yield Grouped(client, *ids)


def test_two_groups_of_a_run_compare_as_two_runs_do(grouped: Grouped) -> None:
    of_groups = grouped.get(grouped.both, grouped.both, part_a="group:bulls", part_b="group:bears")
    of_runs = grouped.get(grouped.bulls, grouped.bears)
    assert len(of_groups["features"]) > 100
    for name in ("num_tested", "num_found", "num_matching"):
        assert of_groups[name] == of_runs[name]
    for side in ("a", "b"):
        for name in ("num_rows", "num_texts", "num_tokens", "num_active_features", "tokens_per_text"):
            assert of_groups[side][name] == of_runs[side][name]
    for in_groups, in_runs in zip(of_groups["features"], of_runs["features"], strict=True):
        for name in ("feature_id", "log_ratio", "low", "high", "p", "q", "log_odds", "log_odds_z"):
            assert in_groups[name] == in_runs[name]
        for side in ("a", "b"):
            for name in ("num_active_tokens", "num_active_texts", "density"):
                assert in_groups[side][name] == in_runs[side][name]


def test_what_was_planted_in_one_source_comes_first_with_its_ratio(grouped: Grouped) -> None:
    answer = grouped.get(grouped.both, grouped.both, part_a="group:bulls", part_b="group:bears")
    first = answer["features"][0]
    assert first["q"] < 0.05
    assert any(token["token"].strip() and token["token"].strip() in PLANTED for token in first["b"]["tokens"])
    densities = [(first[side]["num_active_tokens"] + 0.5) / (answer[side]["num_tokens"] + 1) for side in ("a", "b")]
    assert first["log_ratio"] == pytest.approx(math.log2(densities[1] / densities[0]))
    assert first["low"] > 0


def test_only_features_that_differ_are_listed_and_counted_by_the_side_that_has_more(grouped: Grouped) -> None:
    parts = {"part_a": "group:bulls", "part_b": "group:bears"}
    everything = grouped.get(grouped.both, grouped.both, **parts)
    differ = [feature for feature in everything["features"] if feature["q"] is not None and feature["q"] <= 0.05]
    answer = grouped.get(grouped.both, grouped.both, **parts, show="differ")
    assert answer["features"] == differ != []
    assert answer["num_matching"] == answer["num_found"] == len(differ)
    assert answer["num_found_denser_in_b"] == sum(feature["log_ratio"] > 0 for feature in differ)


@pytest.mark.parametrize(("show", "silent", "number"), [("only_a", "b", "num_only_a"), ("only_b", "a", "num_only_b")])
def test_only_features_that_fire_on_one_side_are_listed_and_counted(
    grouped: Grouped, show: str, silent: str, number: str
) -> None:
    everything = grouped.get(grouped.bulls, grouped.bears)["features"]
    lonely = [feature for feature in everything if feature[silent]["num_active_tokens"] == 0]
    answer = grouped.get(grouped.bulls, grouped.bears, show=show)
    assert answer["features"] == lonely != []
    assert answer["num_matching"] == answer[number] == len(lonely)
    assert answer["num_fired"] == len(everything)


def test_what_is_counted_of_both_sides_does_not_depend_on_what_is_listed(grouped: Grouped) -> None:
    numbers = ("num_fired", "num_only_a", "num_only_b", "num_tested", "num_found", "num_found_denser_in_b")
    whole = grouped.get(grouped.bulls, grouped.bears)
    queries: list[dict[str, str | int]] = [{"show": "only_a"}, {"show": "differ"}, {"min_count": 20}, {"offset": 3}]
    for query in queries:
        part = grouped.get(grouped.bulls, grouped.bears, **query)
        assert {name: part[name] for name in numbers} == {name: whole[name] for name in numbers}


def test_with_tokens_as_units_nobody_says_which_features_differ(grouped: Grouped) -> None:
    query = {"a": grouped.bulls, "b": grouped.bears, "show": "differ", "unit": "token"}
    response = grouped.client.get("/api/compare", params=query)
    assert response.status_code == 400
    assert response.json()["error"] == "show=differ needs texts as units: ask with unit=text"


def test_the_halves_of_a_run_differ_by_chance_alone(grouped: Grouped) -> None:
    answer = grouped.get(grouped.both, grouped.both, part_a="half:0", part_b="half:1")
    assert answer["num_tested"] > 100
    assert answer["num_found"] == 0
    assert answer["a"]["halves"] == {"num_tested": answer["num_tested"], "num_found": 0}
    whole = grouped.get(grouped.both, grouped.both)
    for name in ("num_rows", "num_texts", "num_tokens"):
        assert answer["a"][name] + answer["b"][name] == whole["a"][name]


def test_where_the_tokens_of_both_runs_are_stands_beside_the_comparison(grouped: Grouped) -> None:
    answer = grouped.get(grouped.bulls, grouped.bears)
    for side in ("a", "b"):
        assert sum(place["num_tokens"] for place in answer[side]["positions"]) == answer[side]["num_tokens"]
    assert "policies_differ" not in answer


def test_a_run_says_which_groups_it_has(grouped: Grouped) -> None:
    answer = grouped.client.get(f"/api/runs/{grouped.both}").json()
    assert {group["name"]: group["num_rows"] for group in answer["groups"]} == {"bulls": 400, "bears": 320}


@pytest.mark.parametrize("part", ["group:cats", "bulls", "half:2", "group:", "all "])
def test_a_part_that_there_is_not_is_400_with_those_there_are(grouped: Grouped, part: str) -> None:
    response = grouped.client.get("/api/compare", params={"a": grouped.both, "b": grouped.both, "part_b": part})
    assert response.status_code == 400
    sentence = response.json()["error"]
    assert sentence.startswith(f"run {grouped.both}: there is no part {part}")
    assert "; there are all, half:0, half:1, and groups: " in sentence
    assert "bulls" in response.json()["error"]
