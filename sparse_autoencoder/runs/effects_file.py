"""The file with a feature's ablation effects: effects/NNNNNN.json.gz in the run's folder.

Gzipped JSON. `format` is the format's version, `of` the hash of the examples whose effects these are (`hash_of`). An
example has `length` tokens; its lists begin at the boxed token, `idx`. `pushed` has token ids and values by kind and
prediction, without the tokens' strings, which are the run's vocabulary's. So 20 examples of 64 tokens take about
300 kB.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from sparse_autoencoder.questions.answer_types import ExampleEffects, PredictionEffects, PushedTokens
from sparse_autoencoder.runs.format_version import NewerFormatError

FORMAT = 1
MOST_BYTES = 1 << 26  # of a file; hundreds of kB are usual
_MOST_UNPACKED = 1 << 28
_GZIP = 31  # zlib's name for gzip's format
Strings = Callable[[Sequence[int]], Sequence[str]]  # of token ids
Place = tuple[int, int, int]  # an example's row, its window's offset in the row, and its boxed token
Count = Annotated[int, Field(ge=0)]


class _Read(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _Pushed(_Read):
    token_ids: list[list[Count]]
    by: list[list[float]]


class _Example(_Read):
    row_id: Count
    offset: Count
    idx: Count
    length: Count
    act: float
    loss_change: list[float]
    kl: list[float]
    direct_loss_change: list[float] | None  # nothing but its first entry can differ from 0
    up_logits: _Pushed
    down_logits: _Pushed
    up_probs: _Pushed
    down_probs: _Pushed


class _File(_Read):
    format: Literal[1]
    feature_id: Count
    of: str
    examples: list[_Example]


_Kind = Literal["up_logits", "down_logits", "up_probs", "down_probs"]
_KINDS: tuple[_Kind, ...] = ("up_logits", "down_logits", "up_probs", "down_probs")


def hash_of(examples: Iterable[Place]) -> str:
    """The hash of a feature's examples, by which a reader knows whether effects are of what is shown."""
    return hashlib.sha256(json.dumps(sorted(set(examples))).encode()).hexdigest()[:32]


def to_bytes(feature_id: int, examples: Sequence[ExampleEffects]) -> bytes:
    """The bytes of a file, the same for the same effects."""
    content = {
        "format": FORMAT,
        "feature_id": feature_id,
        "of": hash_of((one["row_id"], one["offset"], one["idx"]) for one in examples),
        "examples": [_packed(one) for one in examples],
    }
    packing = zlib.compressobj(wbits=_GZIP)
    return packing.compress(json.dumps(content, separators=(",", ":"), allow_nan=False).encode()) + packing.flush()


def _packed(example: ExampleEffects) -> dict[str, object]:
    idx, direct = example["idx"], example["direct_loss_change"]
    return {
        "row_id": example["row_id"],
        "offset": example["offset"],
        "idx": idx,
        "length": len(example["loss_change"]) + 1,
        "act": example["act"],
        "loss_change": example["loss_change"][idx:],
        "kl": example["kl"][idx:],
        "direct_loss_change": direct[idx : idx + 1] if direct or not example["loss_change"] else None,
        **{
            kind: {
                "token_ids": [pushed[kind]["token_ids"] for pushed in example["pushed"]],
                "by": [pushed[kind]["by"] for pushed in example["pushed"]],
            }
            for kind in _KINDS
        },
    }


def from_bytes(data: bytes, strings: Strings) -> tuple[int, str, list[ExampleEffects]]:
    """The feature of a file, the hash of its examples, and their effects; `strings` gives the strings of tokens.

    Raises NewerFormatError if a later version wrote it, ValueError if it is malformed.
    """
    unpacking = zlib.decompressobj(wbits=_GZIP)
    try:
        text = unpacking.decompress(data, _MOST_UNPACKED)
    except zlib.error as error:
        raise ValueError(f"it isn't gzipped: {error}") from error
    if not unpacking.eof:
        raise ValueError("its end is missing, or it is larger than any run writes")
    content = json.loads(text)
    if isinstance(content, dict) and isinstance(content.get("format"), int) and content["format"] > FORMAT:
        raise NewerFormatError("a later version of saescope wrote its effects: install that one")
    file = _File.model_validate(content)
    return file.feature_id, file.of, [_unpacked(example, strings) for example in file.examples]


def _unpacked(example: _Example, strings: Strings) -> ExampleEffects:
    predictions = max(0, example.length - 1 - example.idx)
    before = [0.0] * max(0, example.length - 1 - predictions)
    kinds = {kind: _pushed(getattr(example, kind), strings) for kind in _KINDS}
    if {len(example.loss_change), len(example.kl), *map(len, kinds.values())} != {predictions}:
        raise ValueError("its lists have other lengths than its windows")
    direct = example.direct_loss_change
    return {
        "row_id": example.row_id,
        "offset": example.offset,
        "idx": example.idx,
        "act": example.act,
        "loss_change": [*before, *example.loss_change],
        "kl": [*before, *example.kl],
        "direct_loss_change": [] if direct is None else [*before, *direct, *[0.0] * (predictions - len(direct))],
        "pushed": [_prediction(kinds, number) for number in range(predictions)],
    }


def _pushed(pushed: _Pushed, strings: Strings) -> list[PushedTokens]:
    return [
        {"token_ids": ids, "tokens": list(strings(ids)), "by": by}
        for ids, by in zip(pushed.token_ids, pushed.by, strict=True)
    ]


def _prediction(kinds: Mapping[_Kind, list[PushedTokens]], number: int) -> PredictionEffects:
    return {
        "up_logits": kinds["up_logits"][number],
        "down_logits": kinds["down_logits"][number],
        "up_probs": kinds["up_probs"][number],
        "down_probs": kinds["down_probs"][number],
    }
