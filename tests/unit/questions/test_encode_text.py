"""What fires in a text is what the run says of the same text, to the last bit; and texts are taken as rows are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.autoencoders.latent_encoder import Inputs, Limit, SparseLatents
from sparse_autoencoder.errors import BadQuestionError
from sparse_autoencoder.pipeline.chunk_encoder import Encoder, on_host
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.questions.answer_types import EncodedText
from sparse_autoencoder.questions.encode_text import encode_row, encode_text
from sparse_autoencoder.questions.kept_models import KeptModels
from sparse_autoencoder.questions.question_types import MOST_TOKENS, EncodeRow, EncodeText
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.runs.store import DirectoryStore, NotFoundError
from sparse_autoencoder.tokens.tokenizer import RowTokenizer
from sparse_autoencoder.tokens.windows import Windows
from tests.support.gpt2_tokenizer import END_OF_TEXT
from tests.support.runs import MAX_TOKENS, World, make_world, one_thread

Fired = dict[tuple[int, int], float]  # by place and feature
KINDS: list[dict[str, Any]] = [
    {},
    {"autoencoder": "relu", "bos": "include"},
    {"bos": "none", "long_rows": "truncate"},
    {"autoencoder": "relu", "context": 3},
    {"bos": "include", "context": 2, "precision": "bfloat16"},
]


@dataclass(frozen=True)
class Made:
    """A finished run, its files as they are read, and its models."""

    view: RunView
    encoder: Encoder
    tokenizer: RowTokenizer

    def row(self, row_id: int, first: int = 0, num_tokens: int = MOST_TOKENS) -> EncodedText:
        wanted = EncodeRow(row_id=row_id, first=first, num_tokens=num_tokens)
        return encode_row(self.encoder, self.view, wanted)

    def text(self, text: str) -> EncodedText:
        return encode_text(self.encoder, self.tokenizer, self.view, EncodeText(text=text))

    @cached_property
    def fired(self) -> dict[int, Fired]:
        """What fires in each row, asked row by row."""
        return {row_id: fired(self.row(row_id)) for row_id in self.row_ids}

    @cached_property
    def row_ids(self) -> list[int]:
        """The rows that were encoded."""
        return [row.row_id for row in self.view.rows.page(0, 1000).rows if row.skipped is None]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with one_thread():
        yield make_world(tmp_path_factory.mktemp("world"))


def make(world: World, root: Path, **changes: Any) -> Made:
    if "autoencoder" in changes:
        changes["autoencoder"] = world.relu
    options = world.options(**changes)
    store = DirectoryStore(root)
    metadata = run(options, store)
    models = KeptModels(lambda options: options).of(metadata)
    return Made(RunLibrary(store).open(metadata.run_id), models.encoder, models.tokenizer)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: "-".join(map(str, kind.values())) or "usual")
def made(request: pytest.FixtureRequest, world: World, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(world, tmp_path_factory.mktemp("runs"), **request.param)


@pytest.fixture(scope="module")
def usual(world: World, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(world, tmp_path_factory.mktemp("runs"))


def fired(answer: EncodedText, offset: int = 0) -> Fired:
    return {
        (at + offset if at >= 0 else -1, one["feature_id"]): value
        for one in answer["features"]
        for at, value in zip(one["at"], one["values"], strict=True)
    }


def of_run(made: Made) -> dict[int, Fired]:
    """What the run's encoder gives for its rows, chunk by chunk."""
    rows: dict[int, Fired] = {row_id: {} for row_id in made.row_ids}
    chunk_size = made.view.metadata.options.chunk_size
    for first in range(0, max(rows) + 1, chunk_size):
        ids = np.array([row_id for row_id in rows if first <= row_id < first + chunk_size])
        for block, activations in made.encoder.blocks(made.view.windows(ids)):
            for (row_id, place, feature), value in entries(block, *on_host(activations), made):
                rows[row_id].setdefault((place, feature), value)
    return rows


def entries(
    block: Windows, token: Any, feature: Any, value: Any, made: Made
) -> Iterator[tuple[tuple[int, int, int], float]]:
    policy = made.view.metadata.policy
    step, bos = policy.row_tokens_per_window - policy.context, int(policy.prepends_bos)
    for one in range(len(token)):
        window = int(np.searchsorted(block.starts, token[one], side="right")) - 1
        position = int(token[one] - block.starts[window]) - bos
        place = -1 if position < 0 else int(block.numbers[window]) * step + position
        yield (int(block.row_ids[window]), place, int(feature[one])), float(value[one])


def test_every_row_is_to_the_bit_what_it_was_among_the_others_of_its_chunk(made: Made) -> None:
    expected = of_run(made)
    assert len(expected) > 80
    assert made.fired == expected


def test_the_activations_that_the_run_has_saved_are_those_of_its_rows(made: Made) -> None:
    policy, compared = made.view.metadata.policy, 0
    for feature in range(made.view.metadata.num_features):
        record = made.view.feature(feature)
        for example in [*record["top"], *record["random"]]:
            here = made.fired[example["row_id"]]
            later = example["window_offset"] > 0
            first_counted = policy.first_counted_later if later else policy.first_counted
            for position, value in enumerate(example["activations"]):
                own = position - int(policy.prepends_bos)
                place = -1 if own < 0 else example["window_offset"] + own
                if position >= first_counted:
                    compared += 1
                    assert here.get((place, feature), 0.0) == value
    assert compared > 500


def test_a_text_is_what_the_row_with_this_text_is(usual: Made) -> None:
    for row_id in usual.row_ids[:20]:
        text = usual.view.rows.row(row_id).text
        assert text is not None
        assert usual.text(f"  {text}\n") == usual.row(row_id)


@given(row=st.integers(0, 40), first=st.integers(0, 60), num_tokens=st.integers(1, 60))
def test_a_stretch_is_a_part_of_the_row(usual: Made, row: int, first: int, num_tokens: int) -> None:
    row_id = usual.row_ids[row]
    whole = usual.row(row_id)
    first = min(first, whole["num_tokens"] - 1)
    part = usual.row(row_id, first=first, num_tokens=num_tokens)
    last = first + len(part["tokens"])
    assert last == min(first + num_tokens, whole["num_tokens"])
    assert part["tokens"] == whole["tokens"][first:last]
    assert part["token_ints"] == whole["token_ints"][first:last]
    inside = {key: value for key, value in fired(whole).items() if first <= key[0] < last}
    assert fired(part, first) == inside


def test_windows_are_those_of_the_run(usual: Made) -> None:
    step = MAX_TOKENS - 1
    answer = usual.text("up " * 30)
    assert answer["windows"] == list(range(0, answer["num_tokens"], step))
    long = next(row for row in usual.row_ids if usual.row(row)["num_tokens"] > 2 * step)
    assert usual.row(long, first=step + 2, num_tokens=step)["windows"] == [0, step - 2]


def test_features_are_in_the_order_of_their_largest_activations(usual: Made) -> None:
    answer = usual.text("A raises target to 10%")
    largest = [max(one["values"]) for one in answer["features"]]
    assert largest == sorted(largest, reverse=True)
    assert all(one["at"] == sorted(set(one["at"])) for one in answer["features"])


def test_the_name_of_a_special_token_is_text(usual: Made) -> None:
    answer = usual.text(f"A {END_OF_TEXT} up")
    assert "".join(answer["tokens"]) == f"A {END_OF_TEXT} up"
    assert usual.view.metadata.bos_token_id not in answer["token_ints"]


def test_of_a_run_that_drops_the_rest_of_long_rows_it_says_how_long_the_text_is(world: World, tmp_path: Path) -> None:
    made = make(world, tmp_path, long_rows="truncate")
    answer = made.text("up " * 30)
    assert (len(answer["tokens"]), answer["windows"]) == (MAX_TOKENS - 1, [0])
    assert answer["num_tokens"] == len(made.tokenizer.encode([("up " * 30).strip()])[0])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("   \n", "this text can't be looked at (no text): write some words"),
        ("\u200b\u2060", "this text can't be looked at (only invisible characters): write some words"),
        ("a\0b", "this text can't be looked at (NUL bytes in the text): write some words"),
        (
            "x" * (MOST_TOKENS + 1),
            "this text has 1,025 tokens, and 1,024 can be looked at at once: take a part of it",
        ),
    ],
)
def test_a_text_that_would_be_no_row_is_a_sentence(usual: Made, text: str, sentence: str) -> None:
    with pytest.raises(BadQuestionError) as refused:
        usual.text(text)
    assert str(refused.value) == sentence


def test_a_row_that_has_no_tokens_there_is_a_sentence(usual: Made) -> None:
    asked: list[tuple[Callable[[], object], type[Exception], str]] = [
        (lambda: usual.row(3), BadQuestionError, "row 3 was skipped (no text), so it has no tokens"),
        (lambda: usual.row(0, first=500), BadQuestionError, r"row 0 has \d+ tokens, so none from 500 on"),
        (lambda: usual.row(1000), NotFoundError, "has no row 1000"),
    ]
    for ask, kind, sentence in asked:
        with pytest.raises(kind, match=sentence if "\\" in sentence else None) as refused:
            ask()
        assert "\\" in sentence or sentence in str(refused.value)


def test_no_vector_is_encoded_alone_as_its_last_digits_might_differ(
    usual: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    encoded = usual.encoder.latents.encoded

    def noting(inputs: Inputs, limit: Limit | None = None) -> SparseLatents:
        seen.append(len(inputs.raw))
        return encoded(inputs, limit)

    monkeypatch.setattr(usual.encoder.latents, "encoded", noting)
    assert len(usual.text("A")["tokens"]) == 1
    assert usual.text("A up")["num_tokens"] == 2
    assert seen == [2, 2]


def test_nothing_that_does_not_fire_is_there(usual: Made) -> None:
    assert all(value > 0 for row_id in usual.row_ids[:10] for value in fired(usual.row(row_id)).values())
    assert cast("Any", usual.row(usual.row_ids[0]))["first"] == 0
