"""The file of a feature's effects: what is written is read, and nothing else is taken for it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.questions.answer_types import ExampleEffects, PushedTokens
from sparse_autoencoder.runs.effects_file import from_bytes, hash_of, to_bytes
from sparse_autoencoder.runs.format_version import NewerFormatError

finite = st.floats(allow_nan=False, allow_infinity=False)
KINDS = ("up_logits", "down_logits", "up_probs", "down_probs")


def strings(token_ids: Sequence[int]) -> list[str]:
    return [f"<{token}>" for token in token_ids]


def pushed() -> st.SearchStrategy[PushedTokens]:
    def made(pairs: list[tuple[int, float]]) -> PushedTokens:
        ids = [token for token, _ in pairs]
        return {"token_ids": ids, "tokens": strings(ids), "by": [value for _, value in pairs]}

    return st.builds(made, st.lists(st.tuples(st.integers(0, 10**6), finite), max_size=3))


@st.composite
def examples(draw: st.DrawFn) -> ExampleEffects:
    length = draw(st.integers(1, 7))
    idx = draw(st.integers(0, length - 1))
    after = length - 1 - idx
    numbers = st.lists(finite, min_size=after, max_size=after)
    before = [0.0] * min(idx, length - 1)
    direct = [*before, *([draw(finite), *[0.0] * (after - 1)] if after else [])]
    return {
        "row_id": draw(st.integers(0, 2**40)),
        "offset": draw(st.integers(0, 1000)),
        "idx": idx,
        "act": draw(finite),
        "loss_change": [*before, *draw(numbers)],
        "kl": [*before, *draw(numbers)],
        "direct_loss_change": draw(st.sampled_from([direct, []])) if after else direct,
        "pushed": [{kind: draw(pushed()) for kind in KINDS} for _ in range(after)],  # type: ignore[misc]
    }


@given(st.integers(0, 2**20), st.lists(examples(), max_size=4))
def test_what_is_written_is_read(feature: int, effects: list[ExampleEffects]) -> None:
    data = to_bytes(feature, effects)
    places = [(one["row_id"], one["offset"], one["idx"]) for one in effects]
    assert from_bytes(data, strings) == (feature, hash_of(places), effects)
    assert to_bytes(feature, effects) == data


def test_the_hash_is_of_the_examples_in_any_order() -> None:
    places = [(1, 0, 3), (1, 0, 4), (20, 63, 3)]
    assert hash_of(places) == hash_of([*places[::-1], places[0]])
    assert hash_of(places) != hash_of(places[:2]) != hash_of([(1, 0, 3), (1, 4, 0)])


def content() -> dict[str, Any]:
    example = {"row_id": 1, "offset": 0, "idx": 1, "length": 2, "act": 1.5, "loss_change": [], "kl": []}
    example |= {"direct_loss_change": []} | {kind: {"token_ids": [], "by": []} for kind in KINDS}
    return {"format": 1, "feature_id": 5, "of": "x", "examples": [example]}


@pytest.mark.parametrize("change", [{"kl": [0.5]}, {"idx": -1}, {"length": 9}, {"act": "much"}, {"kl": None}])
def test_another_content_is_refused(change: dict[str, Any]) -> None:
    whole = content()
    assert from_bytes(gzip.compress(json.dumps(whole).encode()), strings)[0] == 5
    whole["examples"][0] |= change
    with pytest.raises(ValueError, match=r"."):
        from_bytes(gzip.compress(json.dumps(whole).encode()), strings)


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda _: b"{}", lambda _: gzip.compress(b"[[")])
def test_a_damaged_file_is_refused(damage: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_bytes(damage(to_bytes(5, [])), strings)


def test_a_later_version_s_file_says_so() -> None:
    data = gzip.compress(json.dumps(content() | {"format": 2, "more": 1}).encode())
    with pytest.raises(NewerFormatError, match="a later version of saescope"):
        from_bytes(data, strings)
