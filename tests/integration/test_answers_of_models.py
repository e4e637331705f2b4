"""Effects, steering and patterns as the API gives them, by the real process with a run's models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from services.api.app import create_app
from services.api.models.local_process import LocalModels, local_models_command
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.api import serving
from tests.support.runs import make_world, one_thread

PATIENCE = 120.0
JSON = {"Content-Type": "application/json"}
OF_FEATURE = {"feature_id": 3}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("runs")
    world = make_world(tmp_path_factory.mktemp("world"))
    with one_thread():
        run(world.options(), DirectoryStore(root))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        models = LocalModels(local_models_command(root))
        with serving(create_app(DirectoryStore(root), models=models)) as url:
            yield url


def parts(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


@pytest.mark.parametrize("path", ["/api/effects", "/api/graph"])
def test_what_was_computed_is_kept_and_then_given_at_once(url: str, path: str) -> None:
    assert httpx.get(f"{url}{path}", params=OF_FEATURE).status_code == 404
    computed = parts(httpx.post(f"{url}{path}", params=OF_FEATURE, headers=JSON, timeout=PATIENCE))
    assert "progress" in computed[0]
    again = parts(httpx.post(f"{url}{path}", params=OF_FEATURE, headers=JSON, timeout=PATIENCE))
    assert again == computed[-1:]
    kept = httpx.get(f"{url}{path}", params=OF_FEATURE).json()
    assert {key: value for key, value in kept.items() if key != "run"} == computed[-1]["result"]


def test_steering_gives_both_texts_token_by_token_and_the_same_for_the_same_seed(url: str) -> None:
    wanted = {"feature_id": 3, "prompt": "A up", "strength": 3.0, "num_tokens": 4, "temperature": 1.0, "seed": 7}
    first, second = (parts(httpx.post(f"{url}/api/steer", json=wanted, timeout=PATIENCE)) for _ in range(2))
    assert first[-1] == second[-1]
    result = first[-1]["result"]
    for name, steered in (("steered", True), ("plain", False)):
        pieces = [part["piece"] for part in first if "piece" in part and part["piece"]["steered"] is steered]
        assert [piece["token_id"] for piece in pieces] == result[name]["token_ids"]


def test_a_prompt_that_is_too_long_is_a_sentence(url: str) -> None:
    wanted = {"feature_id": 3, "prompt": "up " * 200, "strength": 1.0}
    answer = httpx.post(f"{url}/api/steer", json=wanted, timeout=PATIENCE)
    assert answer.status_code == 400
    assert "tokens" in answer.json()["error"]
