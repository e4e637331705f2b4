"""The API's list of features, held against a run's files by going through all of them; and what it can't be asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from services.api.app import create_app
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.saved_states import read_state
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.live_runs import published_twin
from tests.support.runs import DEAD, N_LATENTS, World, interrupted_run, read_json, read_tables
from tests.support.token_tables import Entries, published_entries

pytestmark = pytest.mark.usefixtures("quick")

Query = dict[str, Any]
Record = dict[str, Any]
LISTS = ["/api/features", "/api/feature_rank"]
METRICS = ["mean_activation", "max_activation", "fraction_active", "mean_when_active", "std", "skew", "kurtosis"]
SORTS = [*METRICS, "feature_id", "num_active_tokens", "early_share", "cut_share", "suggested"]


@dataclass(frozen=True)
class Listed:
    """A run in the API, and what its files say."""

    client: TestClient
    run_id: str
    num_tokens: int  # counted
    records: list[Record]  # of features/*.parquet
    vocabulary: list[str]
    entries: Entries  # of features_by_token.parquet

    @classmethod
    def of(cls, client: TestClient, folder: Path, *, live: bool = False) -> Listed:
        """The run in a folder; with `live` the one that is unfinished in the API."""
        tokens = read_json(folder, "metadata.json")["num_tokens"]
        records, vocabulary = read_tables(folder, "features"), read_json(folder, "vocabulary.json")
        for record, fired in zip(records, pq.read_table(folder / "positions.parquet").to_pylist(), strict=True):
            early = sum(count for name, count in fired.items() if name.endswith(("_0", "_1")))
            record["early_share"] = early / record["num_active_tokens"] if early else 0.0
            cut = fired["later_0"] + fired["later_1"]
            record["cut_share"] = cut / record["num_active_tokens"] if cut else 0.0
        spread = pq.read_table(folder / "tokens_by_feature.parquet", columns=["effective_tokens"]).to_pylist()
        texts = pq.read_table(folder / "text_sums.parquet", columns=["texts_0", "texts_1"]).to_pylist()
        for record, one, counts in zip(records, spread, texts, strict=True):
            wide = 1.0 if live else max(one["effective_tokens"], 1.0)
            rare, strength = record["num_active_tokens"] <= 0.01 * tokens, record["mean_when_active"]
            # rows are short, so that no feature fires too often at beginnings, and few, so that three texts are enough
            fit = rare and sum(counts.values()) >= 3 and record["cut_share"] <= 0.25
            record["suggested"] = strength / wide**0.25 if fit else -1 / (1 + strength)
        return cls(client, folder.name, tokens, records, vocabulary, published_entries(folder))

    def get(self, path: str, query: Query) -> Any:
        """The JSON of a successful answer."""
        response = self.client.get(path, params={"run": self.run_id} | query)
        assert response.status_code == 200, response.text
        return response.json()

    def expected(self, query: Query) -> list[int]:
        """Ids of the features that a query selects, in its order."""
        by = self.sort_of(query)
        sign = 1 if query.get("order") == "asc" else -1

        def key(record: Record) -> tuple[float, ...]:
            if by != "token_share":
                return sign * record[by], record["feature_id"]
            count = self.firings(record["feature_id"], query["token"])
            return sign * count / max(record["num_active_tokens"], 1), sign * count, record["feature_id"]

        selected = [record for record in self.records if self._is_selected(record, query)]
        return [record["feature_id"] for record in sorted(selected, key=key)]

    def sort_of(self, query: Query) -> str:
        """What a query's answer is ordered by."""
        other = METRICS[0] if query.get("dead") == "true" else "suggested"
        default = "token_share" if "token" in query else other
        return str(query.get("sort") or query.get("metric") or default)

    def firings(self, feature: int, text: str) -> int:
        """How often a feature fires on the tokens that contain a text."""
        return sum(
            count
            for (token, of_feature), (count, _total, _maximum) in self.entries.items()
            if of_feature == feature and text.lower() in self.vocabulary[token].lower()
        )

    def chips(self, record: Record) -> list[Record]:
        """The tokens that a feature's examples are listed for, strongest first."""
        strongest: dict[int, float] = {}
        for example in record["top"] + record["random"]:
            token = example["token_ids"][example["position"]]
            strongest[token] = max(example["activation"], strongest.get(token, 0.0))
        ranked = sorted(strongest, key=lambda token: (-strongest[token], token))
        return [{"token_id": token, "token": self.vocabulary[token]} for token in ranked]

    def _is_selected(self, record: Record, query: Query) -> bool:
        count = record["num_active_tokens"]
        density = count / self.num_tokens
        return (
            (count == 0) == (query.get("dead") == "true")
            and query.get("min_density", 0) <= density <= query.get("max_density", 1)
            and query.get("min_count", 0) <= count <= query.get("max_count", count)
            and ("token" not in query or self.firings(record["feature_id"], query["token"]) > 0)
        )


@pytest.fixture(scope="module")
def listed(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listed]:
    root = tmp_path_factory.mktemp("runs")
    metadata = run(world.options(autoencoder=world.relu), DirectoryStore(root))
    with TestClient(create_app(DirectoryStore(root))) as client:
        yield Listed.of(client, root / metadata.run_id)


@pytest.fixture(scope="module")
def live(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listed]:
    """An interrupted run, and the files that it would leave if it ended where it is."""
    root, twins = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("twins")
    folder = RunFolder(DirectoryStore(root), interrupted_run(world.options(), root, "prompts/000003.parquet"))
    state = read_state(folder, folder.read_metadata().spec).state
    published_twin(folder, state, DirectoryStore(twins))
    with TestClient(create_app(DirectoryStore(root))) as client:
        yield Listed.of(client, twins / folder.run_id, live=True)


def limits(name: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Query]:
    """A lower limit, an upper one, both or none."""
    both = st.lists(values, min_size=2, max_size=2).map(sorted)
    return st.one_of(
        st.just({}),
        values.map(lambda value: {f"min_{name}": value}),
        values.map(lambda value: {f"max_{name}": value}),
        both.map(lambda pair: {f"min_{name}": pair[0], f"max_{name}": pair[1]}),
    )


queries = st.builds(
    lambda *parts: {name: value for part in parts for name, value in part.items()},
    st.fixed_dictionaries(
        {},
        optional={
            "metric": st.sampled_from(METRICS),
            "sort": st.sampled_from([*SORTS, "token_share"]),
            "order": st.sampled_from(["asc", "desc"]),
            "token": st.sampled_from([" ", "p", "UP", " up", "e ", "apple", "\ufffd", "5%", "no such token"]),
            "dead": st.sampled_from(["true", "false"]),
        },
    ),
    limits("density", st.floats(0, 1) | st.sampled_from([0.0, 0.001, 0.01, 0.1])),
    limits("count", st.integers(0, 300)),
).filter(lambda query: query.get("sort") != "token_share" or "token" in query)


@settings(max_examples=50, deadline=None)
@given(query=queries)
def test_every_query_lists_what_going_through_all_features_gives(listed: Listed, query: Query) -> None:
    expected = listed.expected(query)
    answer = listed.get("/api/features", query | {"limit": N_LATENTS})
    assert [feature["feature_id"] for feature in answer["features"]] == expected
    assert answer["num_matching"] == len(expected)
    assert (answer["metric"], answer["sort"]) == (query.get("metric", METRICS[0]), listed.sort_of(query))
    assert answer["order"] == query.get("order", "desc")


@settings(max_examples=50, deadline=None)
@given(query=queries)
def test_an_unfinished_run_is_listed_as_it_would_be_published(live: Listed, query: Query) -> None:
    answer = live.get("/api/features", query | {"limit": N_LATENTS, "details": "true"})
    expected = live.expected(query)
    assert answer["live"] is True
    assert [feature["feature_id"] for feature in answer["features"]] == expected
    assert [feature["tokens"] for feature in answer["features"]] == [
        live.chips(live.records[feature])[:5] for feature in expected
    ]


@settings(max_examples=50, deadline=None)
@given(query=queries, offset=st.integers(0, 60), limit=st.integers(0, 20))
def test_a_page_is_a_stretch_of_the_whole_list(listed: Listed, query: Query, offset: int, limit: int) -> None:
    answer = listed.get("/api/features", query | {"offset": offset, "limit": limit})
    expected = listed.expected(query)
    assert [feature["feature_id"] for feature in answer["features"]] == expected[offset : offset + limit]
    assert (answer["offset"], answer["limit"], answer["num_matching"]) == (offset, limit, len(expected))


@pytest.fixture(scope="module", params=["listed", "live"])
def shown(request: pytest.FixtureRequest) -> Listed:
    """A finished run, and an unfinished one."""
    run: Listed = request.getfixturevalue(request.param)
    return run


@settings(max_examples=50, deadline=None)
@given(query=queries, feature=st.integers(0, N_LATENTS - 1))
def test_a_features_rank_is_its_place_in_the_list(shown: Listed, query: Query, feature: int) -> None:
    expected = shown.expected(query)
    rank = expected.index(feature) if feature in expected else None
    answer = shown.get("/api/feature_rank", query | {"id": feature})
    assert {name: answer[name] for name in answer if name not in ("live", "num_records")} == {
        "run": shown.run_id,
        "feature_id": feature,
        "rank": rank,
        "previous": None if not rank else expected[rank - 1],
        "next": None if rank is None or rank + 1 == len(expected) else expected[rank + 1],
        "num_matching": len(expected),
    }


def test_a_listed_feature_says_what_its_file_says(listed: Listed) -> None:
    answer = listed.get("/api/features", {"metric": "skew", "details": "true", "limit": N_LATENTS})
    assert answer["bin_width"] == 0.2
    for feature in answer["features"]:
        record = listed.records[feature["feature_id"]]
        assert feature == {
            "feature_id": record["feature_id"],
            "value": record["skew"],
            "num_active_tokens": record["num_active_tokens"],
            "metrics": {name: record[name] for name in METRICS},
            "tokens": listed.chips(record)[:5],
            "hist": {str(entry["bin"]): entry["count"] for entry in record["histogram"]},
        }
    assert max(len(listed.chips(record)) for record in listed.records) > 5


@pytest.mark.parametrize("query", [{}, {"details": "false"}])
def test_without_details_features_have_neither_tokens_nor_histogram(listed: Listed, query: Query) -> None:
    for feature in listed.get("/api/features", query)["features"]:
        assert list(feature) == ["feature_id", "value", "num_active_tokens", "metrics"]


def test_the_counts_of_all_features_do_not_depend_on_filters(listed: Listed) -> None:
    active = sum(record["num_active_tokens"] > 0 for record in listed.records)
    for query in ({}, {"dead": "true"}, {"min_count": 10}, {"token": "no such token"}):
        answer = listed.get("/api/features", query)
        assert (answer["num_features"], answer["num_active_features"]) == (N_LATENTS, active)
        assert answer["num_tokens"] == listed.num_tokens


def test_features_that_never_fired_come_by_number_with_nothing_to_show(listed: Listed) -> None:
    answer = listed.get("/api/features", {"dead": "true", "details": "true"})
    assert set(DEAD) <= {feature["feature_id"] for feature in answer["features"]}
    numbers = [feature["feature_id"] for feature in answer["features"]]
    assert numbers == sorted(numbers)
    for feature in answer["features"]:
        assert (feature["value"], feature["num_active_tokens"]) == (0.0, 0)
        assert (feature["tokens"], feature["hist"]) == ([], {})


def test_a_search_regards_spaces_and_disregards_case(listed: Listed) -> None:
    def found(token: str) -> set[int]:
        answer = listed.get("/api/features", {"token": token, "limit": N_LATENTS})
        return {feature["feature_id"] for feature in answer["features"]}

    assert found(" APPLE") == found(" apple") != set()
    assert set() != found(" p") < found("p")
    assert found("apple ") == set()


# What can't be asked.


def problem(listed: Listed, path: str, query: str) -> str:
    """The sentence of an answer with status 400."""
    response = listed.client.get(f"{path}?{'id=1&' if path == '/api/feature_rank' else ''}{query}")
    assert response.status_code == 400, response.text
    assert list(response.json()) == ["error"]
    return str(response.json()["error"])


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("min_count=5&max_count=4", "min_count is 5 and max_count is 4: no feature can be between them"),
        (
            "min_density=0.5&max_density=0.25",
            "min_density is 0.5 and max_density is 0.25: no feature can be between them",
        ),
        ("token=", "token must have from 1 to 1,000 characters, not 0"),
        ("metric=", f"there is no metric ''; there are {', '.join(METRICS)}"),
        ("metric=feature_id", f"there is no metric 'feature_id'; there are {', '.join(METRICS)}"),
        ("metric=loudness&sort=std", f"there is no metric 'loudness'; there are {', '.join(METRICS)}"),
        ("sort=", f"sort is one of {', '.join(SORTS)}, not ''"),
        ("sort=loudness", f"sort is one of {', '.join(SORTS)}, not 'loudness'"),
        ("sort=loudness&token=a", f"sort is one of {', '.join(SORTS)}, token_share, not 'loudness'"),
        ("sort=token_share", f"sort is one of {', '.join(SORTS)}, not 'token_share'"),
        ("order=", "order is asc or desc, not ''"),
        ("dead=", "dead is true or false, not ''"),
        ("dead=1", "dead is true or false, not '1'"),
    ],
)
def test_what_makes_no_sense_is_said(listed: Listed, path: str, query: str, sentence: str) -> None:
    assert problem(listed, path, query) == sentence


@pytest.mark.parametrize("name", ["details", "limit", "offset"])
def test_an_empty_stretch_of_the_list_is_no_stretch(listed: Listed, name: str) -> None:
    assert problem(listed, "/api/features", f"{name}=").startswith(name)


@pytest.mark.parametrize("feature", ["-1", str(N_LATENTS)])
def test_a_feature_that_the_run_does_not_have_has_no_rank(listed: Listed, feature: str) -> None:
    response = listed.client.get("/api/feature_rank", params={"id": feature})
    assert response.status_code == 400
    assert response.json() == {"error": f"id must be from 0 to {N_LATENTS - 1}, not {feature}"}


def test_an_empty_run_is_the_newest(listed: Listed) -> None:
    response = listed.client.get("/api/feature_rank", params={"id": 1, "run": ""})
    assert response.json() == listed.client.get("/api/feature_rank", params={"id": 1}).json()


texts = st.text(max_size=12) | st.sampled_from(["nan", "1", "0.5", "true", "std", "9" * 19, "-0"])
names = st.sampled_from(
    [
        "id",
        "metric",
        "sort",
        "order",
        "min_density",
        "max_density",
        "min_count",
        "max_count",
        "token",
        "dead",
        "details",
    ]
)


@settings(max_examples=40, deadline=None)
@given(path=st.sampled_from(LISTS), query=st.lists(st.tuples(names, texts), max_size=6))
def test_whatever_is_asked_there_is_an_answer_or_a_sentence(
    listed: Listed, path: str, query: list[tuple[str, str]]
) -> None:
    response = listed.client.get(path, params=[*query])
    assert response.status_code in (200, 400)
    assert response.status_code == 200 or list(response.json()) == ["error"]
