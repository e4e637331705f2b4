"""Answers of models as they are kept with a run: made up, and asked for in every way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from starlette.testclient import TestClient

from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.runs import effects_file
from sparse_autoencoder.runs.store import Store
from tests.support.sae_viewer import made_up_effects

PATHS = ("/api/effects", "/api/graph")


def keep_answers(store: Store, run_id: str, feature_id: int) -> None:
    """Keep made-up effects and patterns of a feature."""
    view = RunLibrary(store).open(run_id)
    record = view.feature(feature_id)
    examples = made_up_effects(feature_id, record)["examples"]
    for pushed in (prediction for one in examples for prediction in one["pushed"]):
        for tokens in (pushed["up_logits"], pushed["down_logits"], pushed["up_probs"], pushed["down_probs"]):
            tokens["token_ids"] = [0] * len(tokens["token_ids"])  # the run has few tokens
    store.put(view.folder.effects(feature_id), effects_file.to_bytes(feature_id, examples))
    view.graphs.keep(
        record,
        {
            "feature_id": feature_id,
            "num_sources": 1,
            "roots": [{"token": "a", "token_id": 0, "activation": 1.5, "before": []}],
            "scores": {
                "num_examples": 0,
                "num_rows": 0,
                "num_tokens": 0,
                "recall": None,
                "precision": None,
                "explained": None,
            },
            "explanation": {"trie": {"a": {"<saliency>": 1.5}}},
        },
    )


def asked_in_every_way(api: TestClient, away: TestClient, run_id: str, kept: int, other: int) -> Iterator[Any]:
    """All kinds of answers; those of the feature `kept` are kept."""
    for path in PATHS:
        for feature_id in (kept, other, 10**6):
            yield api.get(path, params={"run": run_id, "feature_id": feature_id})
        yield api.get(path, params={"run": run_id})
        yield away.get(path, params={"run": run_id, "feature_id": kept})
