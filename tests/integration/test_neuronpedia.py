"""Only features of autoencoders that came from OpenAI's address have an address at Neuronpedia."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.testclient import TestClient

from services.api.app import create_app
from sparse_autoencoder.reading.neuronpedia import address_at_neuronpedia
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.commands import small_run

OPENAI = "az://openaipublic/sparse-autoencoder/gpt2-small"


def address(checkpoint: str, subject: str = "gpt2") -> str | None:
    metadata = SimpleNamespace(subject={"name": subject}, autoencoder={"address": checkpoint})
    return address_at_neuronpedia(cast("Any", metadata), 407)


@pytest.mark.parametrize(
    ("checkpoint", "expected"),
    [
        ("resid_post_mlp_v5_32k/autoencoders/6.pt", "6-res_post_32k-oai/407"),
        ("resid_post_attn_v5_128k/autoencoders/0.pt", "0-res_mid_128k-oai/407"),
        ("resid_delta_attn_v5_32k/autoencoders/11.pt", "11-att_32k-oai/407"),
        ("resid_delta_mlp_v5_128k/autoencoders/3.pt", "3-mlp_128k-oai/407"),
    ],
)
def test_an_autoencoder_of_openai_s_is_found_there(checkpoint: str, expected: str) -> None:
    assert address(f"{OPENAI}/{checkpoint}") == f"https://www.neuronpedia.org/gpt2-small/{expected}"


@pytest.mark.parametrize(
    "checkpoint",
    [
        "my_autoencoder.pt",
        f"{OPENAI}/mlp_post_act/autoencoders/6.pt",
        "https://elsewhere.org/resid_post_mlp_v5_32k/6.pt",
    ],
)
def test_any_other_is_not(checkpoint: str) -> None:
    assert address(checkpoint) is None


def test_nor_is_one_for_another_model() -> None:
    assert address(f"{OPENAI}/resid_post_mlp_v5_32k/autoencoders/6.pt", subject="gpt2-medium") is None


def test_a_feature_s_answer_leads_there(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    run_id = small_run(DirectoryStore(tmp_path / "runs"), source)
    file = tmp_path / "runs" / run_id / "metadata.json"
    with TestClient(create_app(DirectoryStore(tmp_path / "runs"))) as client:
        assert "elsewhere" not in client.get("/api/feature_info?id=3").json()
    metadata = json.loads(file.read_text(encoding="utf-8"))
    metadata["subject"]["name"] = "gpt2"
    metadata["autoencoder"]["address"] = f"{OPENAI}/resid_post_mlp_v5_32k/autoencoders/6.pt"
    file.write_text(json.dumps(metadata), encoding="utf-8")
    with TestClient(create_app(DirectoryStore(tmp_path / "runs"))) as client:
        (found,) = client.get("/api/feature_info?id=3").json()["elsewhere"]
    assert found == {
        "site": "Neuronpedia",
        "url": "https://www.neuronpedia.org/gpt2-small/6-res_post_32k-oai/3",
        "verified": False,
    }
