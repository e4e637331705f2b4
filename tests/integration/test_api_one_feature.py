"""What /api/feature_info says besides a feature's statistics, held against the run's files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from services.api.app import create_app
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.runs import N_LATENTS, World, read_json, read_tables

pytestmark = pytest.mark.usefixtures("quick")
EARLIER = Path(__file__).parents[1] / "fixtures" / "runs-without-format"


@pytest.fixture(scope="module")
def folder(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    root = tmp_path_factory.mktemp("runs")
    return root / run(world.options(autoencoder=world.relu), DirectoryStore(root)).run_id


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with TestClient(create_app(DirectoryStore(folder.parent))) as started:
        yield started


def info(client: TestClient, feature: int) -> Any:
    response = client.get("/api/feature_info", params={"id": feature})
    assert response.status_code == 200, response.text
    return response.json()


def test_in_how_many_distinct_texts_it_fires_is_as_the_run_counted(client: TestClient, folder: Path) -> None:
    counted = pq.read_table(folder / "text_sums.parquet", columns=["texts_0", "texts_1"]).to_pylist()
    num_texts = read_json(folder, "metadata.json")["num_texts"]
    for feature in range(N_LATENTS):
        answer = info(client, feature)
        assert answer["num_active_texts"] == sum(counted[feature].values())
        assert answer["num_active_texts"] <= answer["num_texts"] == num_texts
        assert (answer["num_active_texts"] == 0) == (answer["num_active_tokens"] == 0)


def test_neighbours_have_the_tokens_at_which_their_examples_are_strongest(client: TestClient, folder: Path) -> None:
    records, vocabulary = read_tables(folder, "features"), read_json(folder, "vocabulary.json")
    for neighbour in info(client, 0)["neighbours"]:
        strongest: dict[int, float] = {}
        record = records[neighbour["feature_id"]]
        for example in record["top"] + record["random"]:
            token = example["token_ids"][example["position"]]
            strongest[token] = max(example["activation"], strongest.get(token, 0.0))
        ranked = sorted(strongest, key=lambda token: (-strongest[token], token))[:5]
        assert neighbour["tokens"] == [{"token_id": token, "token": vocabulary[token]} for token in ranked]


def test_a_run_of_an_earlier_version_says_nothing_of_texts(tmp_path: Path) -> None:
    shutil.copytree(EARLIER, tmp_path / "runs")
    with TestClient(create_app(DirectoryStore(tmp_path / "runs"))) as client:
        answer = info(client, 0)
    assert answer.keys().isdisjoint({"num_active_texts", "num_texts"})
