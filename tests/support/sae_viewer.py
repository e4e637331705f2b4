"""OpenAI's viewer as a reader: which fields its types have, and what its pages compute from them without checking.

Written from what sae-viewer in github.com/openai/sparse_autoencoder does (types.ts and components/); effects are made
up here. This file knows nothing of how exports come about.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from openapi_schema_validator import OAS31Validator
from starlette.testclient import TestClient

from sparse_autoencoder.questions.answer_types import ExampleEffects, FeatureEffects, PredictionEffects, PushedTokens

NUMBER, WHOLE, TEXT = {"type": "number"}, {"type": "integer", "minimum": 0}, {"type": "string"}
EFFECTS = (
    "ablate_loss_diff",
    "kl",
    "top_upvote_tokens_logits",
    "top_upvotes_logits",
    "top_downvote_tokens_logits",
    "top_downvotes_logits",
    "top_upvote_tokens_probs",
    "top_upvotes_probs",
    "top_downvote_tokens_probs",
    "top_downvotes_probs",
)
TABLE = EFFECTS[2:]


def _list_of(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


_PLAIN = {
    "density": NUMBER,
    "doc_id": WHOLE,
    "idx": WHOLE,
    "acts": _list_of(NUMBER),
    "act": NUMBER,
    "tokens": _list_of(TEXT),
    "token_ints": _list_of(WHOLE),
}
_WITH_EFFECTS = _PLAIN | {
    name: _list_of(NUMBER) if name in EFFECTS[:2] else _list_of(_list_of(TEXT if "_tokens_" in name else NUMBER))
    for name in EFFECTS
}
_SEQUENCES = _list_of({"anyOf": [_object(**_PLAIN), _object(**_WITH_EFFECTS)]})
FEATURE_INFO = _object(
    density=NUMBER,
    mean_act=NUMBER,
    mean_act_squared=NUMBER,
    skew=NUMBER,
    kurtosis=NUMBER,
    hist={
        "type": "object",
        "propertyNames": {"pattern": "^[0-9]+$"},
        "additionalProperties": WHOLE,
        "minProperties": 1,
    },
    random=_SEQUENCES,
    top=_SEQUENCES,
)
_VALIDATOR = OAS31Validator(FEATURE_INFO)


def check_feature_info(info: Any) -> None:
    """AssertionError unless the viewer's types describe this, and its pages can draw it."""
    assert [problem.message[:300] for problem in _VALIDATOR.iter_errors(info)] == []
    check_drawable(info)


def check_drawable(info: Any) -> None:
    """AssertionError unless what the pages compute of it comes out; this is faster than looking at every type."""
    heights = histogram(info["hist"])
    assert 0 < len(heights) < 10**6
    for sequence in info["top"] + info["random"]:
        assert len(sequence["acts"]) == len(sequence["tokens"]) == len(sequence["token_ints"])
        assert sequence["act"] == sequence["acts"][sequence["idx"]]
        if "ablate_loss_diff" in sequence:
            _check_effects(sequence)


def histogram(hist: Mapping[str, int]) -> list[int]:
    """The heights that the page draws, from the least to the largest bin, those between that aren't there as 0."""
    bins = [int(key) for key in hist]
    return [hist.get(str(number), 0) for number in range(min(bins), max(bins) + 1)]


def _check_effects(sequence: Any) -> None:
    """What the page does at each token but the first: entry t - 1 for token t, and its table for those after idx."""
    largest = max((abs(change) for change in sequence["ablate_loss_diff"]), default=0.0)
    assert math.isfinite(largest)
    for token in range(1, len(sequence["tokens"])):
        numbers = [sequence[name][token - 1] for name in EFFECTS[:2]]
        assert all(math.isfinite(number) for number in numbers)
        table = [sequence[name][token - 1] for name in TABLE]
        assert len({len(column) for column in table}) == 1
        if token <= sequence["idx"]:
            assert numbers == [0.0, 0.0]
        else:
            assert table[0] != []


def asked_in_every_way(api: TestClient, away: TestClient, place: str) -> Iterator[Any]:
    """All kinds of answers of an API with a run at this place, and of one whose store is away."""
    for file in ("1.json", "x.json"):
        path = f"/sparse-autoencoder/viewer/{place}/atoms/{file}"
        for asked in (api, away):
            yield asked.get(path)
            yield asked.post("/load_az", json={"path": f"az://openaipublic{path}"})
        yield api.get(path, params={"x": "1"})
    yield api.post("/load_az", json={})
    yield api.post("/load_az", content=b"{}")


def made_up_effects(feature_id: int, record: Mapping[str, Any], seed: int = 0) -> FeatureEffects:
    """Effects of all examples of a record of features/*.parquet, with lists of tokens of unequal lengths."""
    chooser = random.Random(seed)
    lists = [record["top"], record["random"], *(band["examples"] for band in record["bands"])]
    examples = {_place(one): one for one in chain.from_iterable(lists)}
    return {"feature_id": feature_id, "examples": [_of_example(one, chooser) for one in examples.values()]}


def _place(example: Mapping[str, Any]) -> tuple[int, int, int]:
    return example["row_id"], example["window_offset"], example["position"]


def _of_example(example: Mapping[str, Any], chooser: random.Random) -> ExampleEffects:
    row_id, offset, idx = _place(example)
    after = len(example["activations"]) - 1 - idx
    changes = [0.0] * idx + [round(chooser.gauss(0, 1), 3) for _ in range(after)]
    return {
        "row_id": row_id,
        "offset": offset,
        "idx": idx,
        "act": example["activation"],
        "loss_change": changes,
        "kl": [abs(change) for change in changes],
        "direct_loss_change": changes,
        "pushed": [_pushed(chooser) for _ in range(after)],
    }


def _pushed(chooser: random.Random) -> PredictionEffects:
    return {
        "up_logits": _tokens(chooser, 1),
        "down_logits": _tokens(chooser, -1),
        "up_probs": _tokens(chooser, 1),
        "down_probs": _tokens(chooser, -1),
    }


def _tokens(chooser: random.Random, sign: int) -> PushedTokens:
    ids = chooser.sample(range(50), chooser.randint(8, 10))
    by = sorted((chooser.random() for _ in ids), reverse=True)
    return {"token_ids": ids, "tokens": [f"<t{one}>" for one in ids], "by": [sign * one for one in by]}
