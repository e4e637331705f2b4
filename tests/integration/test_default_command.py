"""The default command on models of full size, without the internet: what users of the original scripts type.

GPT-2 small comes from a Hugging Face cache, the v5_32k autoencoder from a stand-in of the public container, the
headlines from a kagglehub cache. All weights are random: what is checked is the command and its files, not the science.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from demo.headlines import write_csv
from services.api.app import create_app
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.blob_server import BlobServer, blob_server
from tests.support.commands import environment, saescope, write_random_autoencoder
from tests.support.kaggle_cache import seed_kaggle_cache

DATASET = "miguelaenlle/massive-stock-news-analysis-db-for-nlpbacktests"
CHECKPOINT = "openaipublic/sparse-autoencoder/gpt2-small/resid_post_mlp_v5_32k/autoencoders/6.pt"
FLAGS = {"--max-rows": 100, "--chunk-size": 50, "--top-feature-count": 100, "--top-tokens-per-feature": 20}
# what follows from weights of full size takes half a minute, and is tested with small ones
COMMAND = ["run", *(str(part) for flag in FLAGS.items() for part in flag), "--skip-directions"]
ORIGINAL_METADATA = {
    "dataset_csv",
    "text_column",
    "layer_index",
    "location",
    "num_prompts",
    "max_sequence_length",
    "top_feature_count",
    "top_tokens_per_feature",
}
ORIGINAL_METRICS = {"mean_activation", "max_activation", "fraction_active"}
ORIGINAL_TOKEN_ENTRY = {
    "activation",
    "token_str",
    "token_id",
    "token_position",
    "prompt_index",
    "row_id",
    "prompt_snippet",
    "prompt_tokens",
}


@dataclass(frozen=True)
class DefaultRun:
    """What the default command left and said, and the world that it ran in."""

    folder: Path
    stdout: str
    stderr: str
    server: BlobServer
    cwd: Path
    env: dict[str, str]

    def json(self, name: str) -> Any:
        """A JSON file of the run."""
        return json.loads((self.folder / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def run(gpt2_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DefaultRun]:
    root = tmp_path_factory.mktemp("default-command")
    for name in ("home", "work", "served", "kagglehub"):
        (root / name).mkdir()
    write_csv(300, 0, str(root / "headlines.csv"))
    seed_kaggle_cache(
        root / "kagglehub", DATASET, 2, {"analyst_ratings_processed.csv": (root / "headlines.csv").read_bytes()}
    )
    checkpoint = write_random_autoencoder(root / "v5_32k.pt", 32_768, 768, k=32)
    with blob_server(root / "served") as server, socket.socket() as closed:
        server.put(CHECKPOINT, checkpoint)
        closed.bind(("127.0.0.1", 0))  # bound but not listening: what isn't local is refused
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
        env = environment(
            root / "home",
            HF_HUB_CACHE=str(gpt2_cache),
            KAGGLEHUB_CACHE=str(root / "kagglehub"),
            SAESCOPE_CACHE=str(root / "cache"),
            SAESCOPE_AZURE_ENDPOINT=server.endpoint,
            HTTPS_PROXY=nowhere,
            https_proxy=nowhere,
        )
        done = saescope(*COMMAND, cwd=root / "work", env=env)
        assert done.returncode == 0, done.stderr
        (folder,) = (root / "work" / "analysis_data").iterdir()
        yield DefaultRun(folder, done.stdout, done.stderr, server, root / "work", env)
    shutil.rmtree(root)  # half a gigabyte, which pytest would keep for three sessions


@pytest.fixture(scope="module")
def prompts(run: DefaultRun) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.folder / "prompts.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_run_is_in_a_folder_of_its_own_below_analysis_data(run: DefaultRun) -> None:
    assert re.fullmatch(r"\d{8}-\d{6}_run-001", run.folder.name)
    assert run.stdout.splitlines()[0] == f"analysis_data/{run.folder.name}"
    assert {path.name for path in run.cwd.iterdir()} == {"analysis_data"}


def test_the_folder_has_the_original_s_files_and_ours_and_no_leftovers(run: DefaultRun) -> None:
    assert {path.relative_to(run.folder).as_posix() for path in run.folder.rglob("*") if path.is_file()} == {
        "metadata.json",
        "prompts.jsonl",
        "skipped.jsonl",
        "feature_stats.json",
        "feature_tokens.json",
        "overview.parquet",
        "positions.parquet",
        "text_sums.parquet",
        "features_by_token.parquet",
        "tokens_by_feature.parquet",
        "vocabulary.json",
        "vocabulary_bytes.json",
        "prompts/000000.parquet",
        "prompts/000001.parquet",
        *(f"features/{number:05d}.parquet" for number in range(32)),
    }


def test_metadata_has_the_original_s_keys_with_the_defaults(run: DefaultRun) -> None:
    metadata = run.json("metadata.json")
    assert {key: metadata[key] for key in ORIGINAL_METADATA} == {
        "dataset_csv": "analyst_ratings_processed.csv",
        "text_column": "title",
        "layer_index": 6,
        "location": "resid_post_mlp",
        "num_prompts": 100,
        "max_sequence_length": 64,
        "top_feature_count": 100,
        "top_tokens_per_feature": 20,
    }
    assert metadata["status"] == "complete"


def test_every_row_is_in_prompts_with_its_length_in_tokens(run: DefaultRun, prompts: list[dict[str, Any]]) -> None:
    assert [set(prompt) for prompt in prompts] == [{"row_id", "seq_len", "prompt"}] * 100
    assert [prompt["row_id"] for prompt in prompts] == list(range(100))
    # BOS is in each row's length, and isn't counted in the statistics
    counted = sum(prompt["seq_len"] for prompt in prompts) - run.json("metadata.json")["num_windows"]
    assert counted == run.json("feature_stats.json")["total_tokens"]


def test_feature_stats_has_the_original_s_keys_and_100_features_per_metric(run: DefaultRun) -> None:
    stats = run.json("feature_stats.json")
    assert set(stats) >= {"num_features", "total_tokens", "top_feature_count", "metrics", "mean_act_squared"}
    assert (stats["num_features"], stats["top_feature_count"]) == (32_768, 100)
    assert len(stats["mean_act_squared"]) == 32_768
    assert set(stats["metrics"]) >= ORIGINAL_METRICS
    for name, metric in stats["metrics"].items():
        assert isinstance(metric["description"], str)
        features = metric["top_features"]
        assert len({feature["feature_id"] for feature in features}) == 100
        values = [feature["value"] for feature in features]
        assert values == sorted(values, reverse=True)
        for feature in features:
            assert set(feature) >= {"feature_id", "value", "metrics"}
            assert set(feature["metrics"]) == set(stats["metrics"])
            assert feature["metrics"][name] == feature["value"]


def test_feature_tokens_lists_every_ranked_feature_s_tokens_best_first(
    run: DefaultRun, prompts: list[dict[str, Any]]
) -> None:
    tokens, stats = run.json("feature_tokens.json"), run.json("feature_stats.json")
    assert tokens["top_tokens_per_feature"] == 20
    ranked = {feature["feature_id"] for metric in stats["metrics"].values() for feature in metric["top_features"]}
    assert {int(feature) for feature in tokens["features"]} == ranked
    for entries in tokens["features"].values():
        activations = [entry["activation"] for entry in entries]
        assert activations == sorted(activations, reverse=True)
        for entry in entries:
            assert set(entry) >= ORIGINAL_TOKEN_ENTRY
            assert entry["prompt_tokens"][entry["token_position"]] == entry["token_str"]
            prompt = prompts[entry["prompt_index"]]
            assert entry["row_id"] == prompt["row_id"]
            assert entry["prompt_snippet"] == prompt["prompt"][:200]
            assert entry["prompt_tokens"][0] == "<|endoftext|>"
            assert len(entry["prompt_tokens"]) <= 64


def test_a_feature_has_20_tokens_where_it_fired_in_as_many_texts(
    run: DefaultRun, prompts: list[dict[str, Any]]
) -> None:
    stats, lists = run.json("feature_stats.json"), run.json("feature_tokens.json")["features"]
    fired = {  # at how many tokens
        feature["feature_id"]: round(feature["metrics"]["fraction_active"] * stats["total_tokens"])
        for metric in stats["metrics"].values()
        for feature in metric["top_features"]
    }
    longest = max(prompt["seq_len"] for prompt in prompts)
    # each of a feature's tokens is from another text, so this many can't be in 19 texts
    frequent = [feature for feature, tokens in fired.items() if tokens > 19 * longest]
    assert frequent
    assert all(len(lists[str(feature)]) == 20 for feature in frequent)
    assert all(1 <= len(lists[str(feature)]) <= min(20, tokens) for feature, tokens in fired.items())


def test_the_api_answers_for_every_feature_that_fired(run: DefaultRun) -> None:
    statistics = pq.read_table(run.folder / "features", columns=["feature_id", "num_active_tokens"]).to_pydict()
    counts = dict(zip(statistics["feature_id"], statistics["num_active_tokens"], strict=True))
    active = sorted(feature for feature, count in counts.items() if count)
    assert len(active) == run.json("metadata.json")["num_active_features"] > 100
    with TestClient(create_app(DirectoryStore(run.folder.parent))) as client:
        page = client.get("/api/features", params={"limit": 10_000}).json()
        assert page["num_active_features"] == len(active)
        for feature in active[:: len(active) // 50]:
            info = client.get("/api/feature_info", params={"id": feature}).json()
            assert info["num_active_tokens"] == counts[feature]
            assert info["top"][0]["act"] == pytest.approx(info["max_act"])


def test_the_rows_that_were_cached_are_used_and_the_user_is_told(run: DefaultRun) -> None:
    assert "version 2" in run.stderr
    assert run.json("metadata.json")["source"]["kaggle_version"] == 2


def test_a_second_run_downloads_no_checkpoint_again(run: DefaultRun) -> None:
    before = run.server.downloads()
    assert before > 0
    done = saescope("run", "--max-rows", "2", "--skip-directions", "--output", "again", cwd=run.cwd, env=run.env)
    shutil.rmtree(run.cwd / "again")
    assert done.returncode == 0, done.stderr
    assert run.server.downloads() == before
