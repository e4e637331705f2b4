"""The API's answers about a real run: what it says, checked against the run's files and against the models."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from starlette.testclient import TestClient

from demo.headlines import generate
from services.api.app import create_app
from sparse_autoencoder.model import Autoencoder
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import DirectoryStore
from sparse_autoencoder.subjects.subject import load_subject
from tests.support.commands import DEMO_SUBJECT, LAYER, write_random_autoencoder

ROWS = 200
DEAD = (0, 100, 255)
ODD_TEXTS = [
    '<script>alert("rating")</script> & <b onmouseover=alert(1)>Apple</b>',
    "Tesla 🚀🚀 to the moon 💎🙌 👨\u200d👩\u200d👧",
    "Ørsted – Denmark’s utility – gains 3%; a \ufffd was here",
    r"\u0000 %00 \x00 </textarea> ${7*7} {{7*7}}",
    "עברית and العربية with \u202eoverrides\u202c",
]


@dataclass(frozen=True)
class Finished:
    """A finished run, the store that it is in, and a client of the API on that store."""

    client: TestClient
    root: Path
    run_id: str

    def get(self, path: str, **query: str | int) -> Any:
        """The JSON of a successful answer."""
        response = self.client.get(path, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    def file(self, name: str) -> Any:
        """A JSON file of the run."""
        return json.loads((self.root / self.run_id / name).read_text(encoding="utf-8"))

    def table(self, *columns: str) -> list[dict[str, Any]]:
        """The rows of features/*.parquet."""
        rows: list[dict[str, Any]] = pq.read_table(
            self.root / self.run_id / "features", columns=list(columns)
        ).to_pylist()
        return rows


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    root = tmp_path_factory.mktemp("runs")
    source = tmp_path_factory.mktemp("source")
    titles = [headline.title for headline in generate(ROWS, 3)] + ODD_TEXTS
    lines = [json.dumps({"title": title}) for title in titles]
    (source / "headlines.jsonl").write_text("\n".join(lines), encoding="utf-8")
    options = RunOptions(
        source=str(source / "headlines.jsonl"),
        subject=str(DEMO_SUBJECT),
        autoencoder=str(write_random_autoencoder(source / "autoencoder.pt", dead=DEAD)),
        layer=LAYER,
        chunk_size=100,
        top_feature_count=30,
        precision="float64",  # rounding then differs by less than a float32 can show, whatever the batches
    )
    metadata = run(options, DirectoryStore(root))
    with TestClient(create_app(DirectoryStore(root))) as client:
        yield Finished(client, root, metadata.run_id)


@pytest.fixture(scope="module")
def latents(finished: Finished) -> list[torch.Tensor]:
    """Every window's latents [token, feature], BOS left out, worked out one window at a time."""
    autoencoder = Autoencoder.from_state_dict(
        torch.load(finished.file("metadata.json")["autoencoder"]["address"], weights_only=True)
    ).double()
    subject = load_subject(DEMO_SUBJECT, dtype=torch.float64, last_layer=LAYER)
    rows = pq.read_table(finished.root / finished.run_id / "prompts", columns=["tokens"])["tokens"].to_pylist()
    found = []
    with torch.inference_mode():
        for row in rows:
            for begin in range(0, len(row), 63):
                tokens = torch.tensor([[0, *row[begin : begin + 63]]])
                hidden = subject.activations(tokens, "resid_post_mlp", LAYER)
                found.append(autoencoder.encode(hidden[0, 1:])[0].float())
    return found


@pytest.fixture(scope="module")
def infos(finished: Finished) -> list[dict[str, Any]]:
    """What the API says of every feature, with all its examples."""
    return [finished.get("/api/feature_info", id=feature, top_k=20) for feature in range(256)]


def active_features(finished: Finished) -> list[int]:
    return [row["feature_id"] for row in finished.table("feature_id", "num_active_tokens") if row["num_active_tokens"]]


def test_the_health_check_answers(finished: Finished) -> None:
    assert finished.get("/healthz") == {"status": "ok"}


def test_runs_lists_what_the_run_s_metadata_says(finished: Finished) -> None:
    metadata = finished.file("metadata.json")
    (entry,) = finished.get("/api/runs")["runs"]
    assert entry == {
        "id": finished.run_id,
        "status": "complete",
        "error": None,
        "name": None,
        "started_at": metadata["started_at"],
        "source": "headlines.jsonl",
        "text_column": "title",
        "subject": str(DEMO_SUBJECT),
        "autoencoder": metadata["options"]["autoencoder"],
        "layer_index": 2,
        "location": "resid_post_mlp",
        "num_prompts": ROWS + len(ODD_TEXTS),
        "num_tokens": metadata["num_tokens"],
        "num_texts": metadata["num_texts"],
        "groups": [],
        "num_features": 256,
        "num_active_features": metadata["num_active_features"],
        "num_skipped_rows": 0,
        "skipped_rows": {},
        "noted_rows": metadata["noted_rows"],
        "self_check": metadata["self_check"],
        "warnings": metadata["warnings"],
        "failed_chunks": [],
        "created_at": metadata["started_at"],
        "finished_at": metadata["finished_at"],
        "seconds": metadata["seconds"],
        "options": metadata["options"],
        "progress": None,
        "can": {"cancel": False, "resume": False, "retry": False, "delete": False},
        "retry_from": None,
    }
    assert finished.get(f"/api/runs/{finished.run_id}") == entry
    assert entry["self_check"]["verdict"] == "doubtful"  # as the autoencoder is random
    assert entry["warnings"] == [f"the self-check is doubtful: {reason}" for reason in entry["self_check"]["reasons"]]


def test_a_finished_run_s_answers_are_not_marked_as_live(finished: Finished) -> None:
    assert "live" not in finished.get("/api/features")
    for path in ("/api/feature", "/api/feature_info"):
        assert "live" not in finished.get(path, id=1)


def test_features_has_every_key_of_the_original_and_the_first_50_by_mean_activation(finished: Finished) -> None:
    answer = finished.get("/api/features")
    stats = finished.file("feature_stats.json")
    assert answer["run"] == finished.run_id
    assert answer["metric"] == "mean_activation"
    assert answer["metrics_available"] == list(stats["metrics"])
    assert answer["metric_descriptions"] == {name: metric["description"] for name, metric in stats["metrics"].items()}
    assert (answer["num_features"], answer["num_tokens"]) == (256, stats["total_tokens"])
    assert (answer["limit"], answer["offset"], len(answer["features"])) == (50, 0, 50)


def test_every_metric_s_ranking_begins_as_in_feature_stats(finished: Finished) -> None:
    for name, metric in finished.file("feature_stats.json")["metrics"].items():
        assert len(metric["top_features"]) == 30
        features = finished.get("/api/features", metric=name, limit=30)["features"]
        assert [{key: feature[key] for key in ("feature_id", "value", "metrics")} for feature in features] == metric[
            "top_features"
        ]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_paging_gives_every_feature_that_fired_exactly_once_in_order(finished: Finished, order: str) -> None:
    entries = []
    for offset in range(0, 280, 7):
        entries += finished.get("/api/features", metric="skew", order=order, offset=offset, limit=7)["features"]
    assert sorted(entry["feature_id"] for entry in entries) == active_features(finished)
    values = [entry["value"] for entry in entries]
    assert values == sorted(values, reverse=order == "desc")


def test_a_page_beyond_the_end_and_a_page_of_nothing_are_empty(finished: Finished) -> None:
    assert finished.get("/api/features", offset=2**63 - 1, limit=10_000)["features"] == []
    assert finished.get("/api/features", limit=0)["features"] == []


def test_feature_gives_the_tokens_of_feature_tokens(finished: Finished) -> None:
    for feature, entries in finished.file("feature_tokens.json")["features"].items():
        answer = finished.get("/api/feature", id=feature, top_k=20)
        assert (answer["run"], answer["feature_id"], answer["top_k"]) == (finished.run_id, int(feature), 20)
        # the file has each token by itself, the API a character of several tokens whole, and its snippet of the window
        for entry, ours in zip(entries, answer["tokens"], strict=True):
            snippet, our_snippet = entry.pop("prompt_snippet"), ours.pop("prompt_snippet")
            assert snippet[:20] == our_snippet[:20] or "\ufffd" in our_snippet
            alone, joined = entry.pop("prompt_tokens"), ours.pop("prompt_tokens")
            assert len(alone) == len(joined)
            assert all(one == other for one, other in zip(alone, joined, strict=True) if "\ufffd" not in one)
            assert ours.pop("token_str") in (entry.pop("token_str"), joined[entry["token_position"]])
        assert answer["tokens"] == entries


def test_ten_examples_are_given_unless_more_or_fewer_are_asked_for(finished: Finished) -> None:
    feature = finished.get("/api/features", metric="mean_activation")["features"][0]["feature_id"]
    assert len(finished.get("/api/feature", id=feature)["tokens"]) == 10
    info = finished.get("/api/feature_info", id=feature)
    assert (len(info["top"]), len(info["random"])) == (10, 10)
    info = finished.get("/api/feature_info", id=feature, top_k=0)
    assert (info["top"], info["random"]) == ([], [])
    assert len(finished.get("/api/feature_info", id=feature, top_k=1000)["top"]) == 20


def test_feature_info_equals_statistics_over_all_latents(
    finished: Finished, infos: list[dict[str, Any]], latents: list[torch.Tensor]
) -> None:
    dense = torch.cat(latents).double()
    assert len(dense) == finished.file("metadata.json")["num_tokens"]
    for feature, info in enumerate(infos):
        values = dense[:, feature]
        assert info["num_active_tokens"] == int((values > 0).sum())
        assert info["density"] == pytest.approx(float((values > 0).double().mean()))
        assert info["mean_act"] == pytest.approx(float(values.mean()))
        assert info["mean_act_squared"] == pytest.approx(float((values**2).mean()))
        assert info["max_act"] == pytest.approx(float(values.max()))
        if info["num_active_tokens"]:
            assert info["skew"] == pytest.approx(float((values**3).mean() / (values**2).mean() ** 1.5))
            assert info["kurtosis"] == pytest.approx(float((values**4).mean() / (values**2).mean() ** 2))


def test_the_histogram_equals_a_recount_of_all_latents(
    infos: list[dict[str, Any]], latents: list[torch.Tensor]
) -> None:
    dense = torch.cat(latents)
    for feature, info in enumerate(infos):
        positive = [value for value in dense[:, feature].tolist() if value > 0]
        recount = Counter(str(math.ceil(value / 0.2)) for value in positive)
        assert (info["bin_width"], info["hist"]) == (0.2, dict(recount))


def test_bands_have_the_histograms_counts_and_examples_between_their_edges(infos: list[dict[str, Any]]) -> None:
    for info in infos:
        counts = Counter[int]()
        for number, count in info["hist"].items():
            counts[(int(number) - 1).bit_length()] += count
        bands = {round(band["up_to"] / 0.2).bit_length() - 1: band for band in info["bands"]}
        assert {number: band["num_active_tokens"] for number, band in bands.items()} == counts
        assert list(bands) == sorted(bands)
        for number, band in bands.items():
            assert 1 <= len(band["examples"]) <= 2
            assert {(math.ceil(shown["act"] / 0.2) - 1).bit_length() for shown in band["examples"]} == {number}


def test_positions_say_how_many_firings_are_at_the_beginning_of_windows(
    finished: Finished, infos: list[dict[str, Any]]
) -> None:
    num_tokens = finished.file("metadata.json")["num_tokens"]
    for info in infos:
        ranges = info["positions"]["ranges"]
        assert sum(one["num_active_tokens"] for one in ranges) == info["num_active_tokens"]
        assert sum(one["num_tokens"] for one in ranges) == num_tokens
        early = [one for one in ranges if one["last"] is not None and one["last"] < 2]
        cut = [one for one in early if one["windows"] == "later"]
        for name, places in (("early_share", early), ("cut_share", cut)):
            share = sum(one["num_active_tokens"] for one in places) / max(info["num_active_tokens"], 1)
            assert info["positions"][name] == pytest.approx(share)
            share_of_tokens = sum(one["num_tokens"] for one in places) / num_tokens
            assert info["positions"][f"{name}_of_tokens"] == pytest.approx(share_of_tokens)


def test_every_example_carries_its_whole_text_and_the_activation_at_each_token(
    finished: Finished, infos: list[dict[str, Any]]
) -> None:
    lines = (finished.root / finished.run_id / "prompts.jsonl").read_text(encoding="utf-8").split("\n")
    texts = {prompt["row_id"]: prompt["prompt"] for prompt in map(json.loads, lines[:-1])}
    for info in (infos[feature] for feature in active_features(finished)):
        assert info["top"][0]["act"] == pytest.approx(info["max_act"])
        acts = [sequence["act"] for sequence in info["top"]]
        assert acts == sorted(acts, reverse=True)
        for sequence in info["top"] + info["random"]:
            assert sequence["act"] == sequence["acts"][sequence["idx"]] > 0
            assert len(sequence["acts"]) == len(sequence["tokens"]) == len(sequence["token_ints"])
            assert sequence["acts"][0] == 0  # BOS
            fired = sum(act > 0 for act in sequence["acts"])
            assert sequence["density"] == pytest.approx(fired / len(sequence["acts"]))
            text = "".join(sequence["tokens"][1:])
            if "\ufffd" not in text:
                assert text in texts[sequence["doc_id"]]


def test_random_examples_are_not_the_top_examples_in_another_order(infos: list[dict[str, Any]]) -> None:
    frequent = [info for info in infos if info["num_active_tokens"] > 200]
    assert len(frequent) > 20
    for info in frequent:
        top, random = ({(s["doc_id"], s["offset"], s["idx"]) for s in info[kind]} for kind in ("top", "random"))
        assert top != random


def test_a_dead_feature_says_so_with_zeros_and_no_examples(finished: Finished) -> None:
    for feature in DEAD:
        info = finished.get("/api/feature_info", id=feature)
        assert finished.get("/api/feature", id=feature)["tokens"] == []
        assert (info["top"], info["random"], info["hist"]) == ([], [], {})
        numbers = ("density", "mean_act", "mean_act_squared", "max_act", "skew", "kurtosis", "num_active_tokens")
        assert {name: info[name] for name in numbers} == dict.fromkeys(numbers, 0)
        assert set(info["metrics"].values()) == {0.0}


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_texts_of_every_kind_survive_as_json(finished: Finished, infos: list[dict[str, Any]], text: str) -> None:
    row_id = ROWS + ODD_TEXTS.index(text)
    (row,) = [
        row for row in pq.read_table(finished.root / finished.run_id / "prompts").to_pylist() if row["row_id"] == row_id
    ]
    assert row["text"] == text
    sequences = [
        sequence for info in infos for sequence in info["top"] + info["random"] if sequence["doc_id"] == row_id
    ]
    assert sequences
    for sequence in sequences:
        assert set(sequence["token_ints"][1:]) <= set(row["tokens"])
        assert "".join(sequence["tokens"][1:]).strip("\ufffd") in text  # a window may begin or end within a character
        assert all(isinstance(token, str) for token in sequence["tokens"])
    if "🚀" in text:  # its bytes are several tokens, none of which is a character
        assert any("🚀" in sequence["tokens"] and "" in sequence["tokens"] for sequence in sequences)


def test_requests_at_the_same_time_get_the_answers_of_requests_one_by_one(finished: Finished) -> None:
    features = active_features(finished)[:100]
    alone = [finished.get("/api/feature_info", id=feature) for feature in features]
    with (
        TestClient(create_app(DirectoryStore(finished.root))) as client,
        ThreadPoolExecutor(16) as threads,
    ):
        together = threads.map(lambda f: client.get("/api/feature_info", params={"id": f}).json(), features * 3)
        assert list(together) == alone * 3
