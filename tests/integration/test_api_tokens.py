"""What the API says about tokens: which features fire on one, and which ones a feature fires on; for the demo, too."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from demo import AUTOENCODER, LAYER, LOCATION, SUBJECT
from demo.headlines import write_csv
from services.api.app import create_app
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.reading import chunk_token_tables
from sparse_autoencoder.runs.not_firing import MAIN_TOKENS, SHOWN
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import DirectoryStore
from sparse_autoencoder.runs.tokens_by_feature import LISTED
from tests.support.live_runs import LiveWriter, start
from tests.support.runs import read_json, read_tables
from tests.support.token_tables import ITSELF, Entries, expected_lists, published_entries

N_ROWS = 600


@dataclass(frozen=True)
class Finished:
    client: TestClient
    folder: Path
    vocabulary: list[str]
    entries: Entries
    firings: list[int]  # by feature

    def get(self, path: str, **query: Any) -> Any:
        response = self.client.get(path, params={"run": self.folder.name} | query)
        assert response.status_code == 200, response.text
        return response.json()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    root, source = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("source") / "headlines.csv"
    write_csv(N_ROWS, 7, str(source))
    options = RunOptions(
        source=str(source),
        subject=str(SUBJECT),
        autoencoder=str(AUTOENCODER),
        layer=LAYER,
        location=LOCATION,
        chunk_size=150,
        top_tokens_per_feature=2,
        device="cpu",
    )
    folder = root / run(options, DirectoryStore(root)).run_id
    firings = [record["num_active_tokens"] for record in read_tables(folder, "features")]
    with TestClient(create_app(DirectoryStore(root))) as client:
        yield Finished(client, folder, read_json(folder, "vocabulary.json"), published_entries(folder), firings)


def test_the_filter_lists_every_feature_that_fires_on_a_token_the_most_specific_first(finished: Finished) -> None:
    occurring = sorted(token for token, feature in finished.entries if feature == ITSELF)
    drawn = random.Random(13).sample(occurring, 200)
    assert sum(finished.entries[token, ITSELF][0] == 1 for token in drawn) > 10  # rare ones
    not_in_examples = 0
    for token in drawn:
        text = finished.vocabulary[token].lower()
        same = {other for other in occurring if text in finished.vocabulary[other].lower()}
        own = [(feature, *entry) for (of, feature), entry in finished.entries.items() if of in same and feature >= 0]
        count = {feature: 0 for feature, *_entry in own}
        maximum = dict.fromkeys(count, 0.0)
        for feature, firings, _total, largest in own:
            count[feature] += firings
            maximum[feature] = max(maximum[feature], largest)
        occurrences = sum(finished.entries[other, ITSELF][0] for other in same)
        answer = finished.get("/api/features", token=text, limit=1000, details="true")
        assert (answer["sort"], answer["num_matching"]) == ("token_share", len(count))
        assert answer["token_table"] == {"chunks": 4, "of": 4, "occurrences": occurrences}
        found = {feature["feature_id"]: feature["token_match"] for feature in answer["features"]}
        assert found == {
            feature: {
                "count": count[feature],
                "share": count[feature] / finished.firings[feature],
                "share_of_occurrences": count[feature] / occurrences,
                "max_activation": maximum[feature],
            }
            for feature in count
        }
        by_share = sorted(
            count, key=lambda feature: (-count[feature] / finished.firings[feature], -count[feature], feature)
        )
        assert list(found) == by_share
        not_in_examples += sum(
            all(chip["token_id"] not in same for chip in feature["tokens"]) for feature in answer["features"]
        )
    assert not_in_examples > 1000


def test_whatever_is_strongest_in_a_row_is_found_by_its_token(finished: Finished) -> None:
    rows = [record for record in read_tables(finished.folder, "prompts") if record["tokens"]]
    pairs = {(record["tokens"][entry["token"]], entry["feature_id"]) for record in rows for entry in record["features"]}
    assert len(pairs) > 500
    assert pairs <= set(finished.entries)


def test_a_feature_has_its_tokens_with_shares_and_what_is_left_out(finished: Finished) -> None:
    expected = expected_lists(finished.entries, len(finished.firings), LISTED)
    spread_most = max(range(len(expected)), key=lambda feature: expected[feature]["num_distinct_tokens"])
    assert expected[spread_most]["left_out_tokens"] > 0
    rarest = next(feature for feature, firings in enumerate(finished.firings) if firings == 1)
    for feature in (spread_most, rarest):
        record = expected[feature]
        answer = finished.get("/api/feature_info", id=feature)
        assert answer["tokens"] == [
            {
                "token_id": entry["token_id"],
                "token": finished.vocabulary[entry["token_id"]],
                "count": entry["count"],
                "share": entry["count"] / finished.firings[feature],
                "share_of_occurrences": entry["count"] / entry["occurrences"],
                "mean_activation": entry["sum_activation"] / entry["count"],
                "max_activation": entry["max_activation"],
            }
            for entry in record["tokens"]
        ]
        assert answer["token_spread"] == {
            name: value for name, value in record.items() if name not in ("feature_id", "tokens")
        } | {"chunks": 4, "of": 4}
        rows = {row["row_id"]: row["tokens"] for row in read_tables(finished.folder, "prompts")}
        quiet = answer["not_firing"]
        assert [entry["token_id"] for entry in quiet] == [entry["token_id"] for entry in answer["tokens"]][:MAIN_TOKENS]
        for entry in quiet:
            assert 0 < entry["sampled"] == min(8, finished.entries[entry["token_id"], ITSELF][0])
            assert len(entry["examples"]) == min(SHOWN, entry["sampled"] - entry["firing"])
            for example in entry["examples"]:
                assert example["token_ints"][example["idx"]] == entry["token_id"]
                own = example["token_ints"][1:]  # without BOS
                begin = example["offset"]
                assert rows[example["row_id"]][begin : begin + len(own)] == own
    assert quiet != []
    dead = finished.firings.index(0)
    answer = finished.get("/api/feature_info", id=dead)
    assert answer["tokens"] == []
    assert answer["token_spread"]["effective_tokens"] == 0


# Unfinished runs, and those of earlier versions.


@pytest.fixture
def writer(tmp_path: Path) -> LiveWriter:
    return start(DirectoryStore(tmp_path), "run-1", chunks=5)


def asked(writer: LiveWriter, path: str, **query: Any) -> Any:
    with TestClient(create_app(writer.folder.store)) as client:
        response = client.get(path, params={"run": "run-1"} | query)
        assert response.status_code == 200, response.text
        return response.json()


def test_an_unfinished_run_answers_from_the_chunks_that_are_merged(writer: LiveWriter) -> None:
    list_, info = asked(writer, "/api/features", token="a"), asked(writer, "/api/feature_info", id=0)
    assert (list_["token_table"]["chunks"], list_["token_table"]["of"]) == (5, 5)
    writer.finish()
    finished = asked(writer, "/api/features", token="a"), asked(writer, "/api/feature_info", id=0)
    assert finished[0]["features"] == list_["features"]
    assert finished[0]["token_table"] == list_["token_table"]
    assert (finished[1]["tokens"], finished[1]["token_spread"]) == (info["tokens"], info["token_spread"])


def test_a_long_run_answers_from_some_of_its_chunks_and_says_so(
    writer: LiveWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = asked(writer, "/api/features", token="a")
    monkeypatch.setattr(chunk_token_tables, "MOST_GROUPS", 3)
    answer, info = asked(writer, "/api/features", token="a"), asked(writer, "/api/feature_info", id=0)
    assert (answer["token_table"]["chunks"], answer["token_table"]["of"]) == (3, 5)
    assert (info["token_spread"]["chunks"], info["token_spread"]["of"]) == (3, 5)
    matches = {feature["feature_id"]: feature["token_match"] for feature in answer["features"]}
    for feature in whole["features"]:
        match = matches[feature["feature_id"]]
        assert match["count"] < feature["token_match"]["count"]
        assert match["share"] < feature["token_match"]["share"]


def test_a_run_without_token_tables_answers_from_its_examples_and_says_so(writer: LiveWriter) -> None:
    writer.folder.remove_token_files()
    for _ in range(2):
        answer, info = asked(writer, "/api/features", token="a"), asked(writer, "/api/feature_info", id=0)
        assert answer["token_table"] is None
        assert answer["sort"] == "mean_activation"
        assert answer["features"]
        assert not any("token_match" in feature for feature in answer["features"])
        assert "tokens" not in info
        if writer.folder.read_metadata().status == "running":
            writer.finish()
