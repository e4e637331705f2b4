"""Steered texts: what stays the same, what they are by hand, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch

from sparse_autoencoder.autoencoders.latent_encoder import LatentEncoder
from sparse_autoencoder.effects.steering import (
    Prompt,
    Sampling,
    Steering,
    TokenNames,
    chosen_tokens,
    steered_and_plain,
)
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.questions.answer_types import GeneratedText, GeneratedToken
from sparse_autoencoder.subjects.whole_model import WholeModel
from tests.support.changed_by_hand import HookedByHand, from_on, random_autoencoder, setting, state_of
from tests.support.runs import LAYER, WIDTH
from tests.unit.effects.conftest import Load

LOCATION, FEATURE = "resid_post_mlp", 7
PROMPT, SIX = Prompt([0, 5, 9, 200], 1), Sampling(6)
NAMES = TokenNames([bytes([token % 26 + 97]) for token in range(400)])


@dataclass(frozen=True)
class Both:
    pieces: list[GeneratedToken]
    steered: GeneratedText
    plain: GeneratedText


def texts(
    whole: WholeModel,
    steering: Steering,
    sampling: Sampling = SIX,
    prompt: Prompt = PROMPT,
    names: TokenNames = NAMES,
) -> Both:
    latents, pieces = LatentEncoder(random_autoencoder("topk", WIDTH)), []
    parts = steered_and_plain(whole, latents, steering, prompt, sampling, names)
    while True:
        try:
            pieces.append(next(parts))
        except StopIteration as ended:
            return Both(pieces, *ended.value)


@pytest.fixture(scope="module")
def whole(whole_of: Load) -> WholeModel:
    return whole_of(LOCATION, LAYER)


@pytest.mark.parametrize("temperature", [0.0, 1.3])
@pytest.mark.parametrize("nothing", [Steering(FEATURE, "add", 0.0), Steering(FEATURE, "set", None)])
def test_raised_by_0_and_set_to_what_it_is_give_the_plain_text(
    nothing: Steering, temperature: float, whole: WholeModel
) -> None:
    both = texts(whole, nothing, Sampling(12, temperature, seed=3))
    assert both.steered["token_ids"] == both.plain["token_ids"]
    assert both.steered["log_probs"] == pytest.approx(both.plain["log_probs"], abs=1e-5)
    assert both.steered["unsteered_log_probs"] == pytest.approx(both.plain["log_probs"], abs=1e-5)


@pytest.mark.parametrize("implementation", ["gpt2", "transformer_lens"])
def test_texts_and_log_probabilities_are_those_of_hooks(
    implementation: str, whole_of: Load, by_hand: HookedByHand
) -> None:
    strength = 6.0
    both = texts(whole_of(LOCATION, LAYER, implementation), Steering(FEATURE, "set", strength))
    change = setting(state_of(random_autoencoder("topk", WIDTH)), FEATURE, strength)
    assert both.steered["token_ids"] != both.plain["token_ids"]
    for text, first in ((both.steered, 1), (both.plain, 99)):
        tokens = [*PROMPT.token_ids, *text["token_ids"]]
        for name, steered_from in (("log_probs", first), ("unsteered_log_probs", 99)):
            logits = by_hand.logits(tokens, LOCATION, LAYER, from_on(steered_from, change))[3:-1].double()
            log_probs = logits.log_softmax(dim=1)
            expected = [float(one[token]) for one, token in zip(log_probs, text["token_ids"], strict=True)]
            assert text[name] == pytest.approx(expected, abs=1e-4)  # type: ignore[literal-required]
            if name == "log_probs":
                assert text["token_ids"] == logits.argmax(dim=1).tolist()
        mean = sum(text["unsteered_log_probs"]) / len(text["token_ids"])
        assert text["unsteered_perplexity"] == pytest.approx(math.exp(-mean))


def test_pieces_are_the_texts_as_they_come(whole: WholeModel) -> None:
    both = texts(whole, Steering(FEATURE, "add", 9.0), Sampling(5, 0.8, seed=1))
    assert [piece["steered"] for piece in both.pieces] == [True, False] * 5
    for steered, text in ((True, both.steered), (False, both.plain)):
        own = [piece for piece in both.pieces if piece["steered"] == steered]
        assert [piece["token_id"] for piece in own] == text["token_ids"]
        assert [piece["log_prob"] for piece in own] == text["log_probs"]
        assert "".join(piece["token"] for piece in own) == text["text"]


def test_a_seed_gives_a_text_and_another_one_another(whole: WholeModel) -> None:
    steering = Steering(FEATURE, "add", 2.0)
    first, again, other = (texts(whole, steering, Sampling(12, 1.0, seed)) for seed in (1, 1, 2))
    assert first == again
    assert first.plain["token_ids"] != other.plain["token_ids"]


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    logits = torch.tensor([[0.0, 1.0, -torch.inf, 2.0]], dtype=torch.float64)
    random = torch.Generator().manual_seed(0)
    drawn = torch.tensor([chosen_tokens(logits, 0.5, random)[0] for _ in range(4000)])
    likely = (logits[0] / 0.5).softmax(dim=0)
    expected, allowed = 4000 * likely, 5 * (4000 * likely * (1 - likely)).sqrt()
    assert ((drawn.bincount(minlength=4) - expected).abs() <= allowed).all()


@pytest.mark.parametrize("temperature", [0.0, 1e-300])
def test_without_temperature_the_likeliest_token_comes(temperature: float) -> None:
    logits = torch.tensor([[0.0, 3.0, 2.0], [5.0, -900.0, 1.0]], dtype=torch.float64)
    assert chosen_tokens(logits, temperature, torch.Generator().manual_seed(0)) == [1, 0]


def greedy(whole: WholeModel) -> Sequence[int]:
    return texts(whole, Steering(FEATURE, "add", 0.0)).plain["token_ids"]


def test_a_text_ends_with_a_token_that_ends_it(whole: WholeModel) -> None:
    token_ids = greedy(whole)
    end = token_ids[2]
    both = texts(whole, Steering(FEATURE, "add", 0.0), names=TokenNames(NAMES.of, frozenset([end])))
    assert both.plain["token_ids"] == token_ids[: token_ids.index(end) + 1]
    assert both.steered["token_ids"] == both.plain["token_ids"]


def test_a_token_s_string_is_whole_characters(whole: WholeModel) -> None:
    nothing, seed = Steering(FEATURE, "add", 0.0), 1
    first, second = texts(whole, nothing, Sampling(2, 3.0, seed)).plain["token_ids"]
    assert first != second
    names = list(NAMES.of)
    names[first], names[second] = "€".encode()[:2], "€".encode()[2:]
    for number, expected in ((2, ["", "€"]), (1, ["\ufffd"])):
        plain = texts(whole, nothing, Sampling(number, 3.0, seed), names=TokenNames(names)).plain
        assert plain["tokens"] == expected
        assert plain["text"] == "".join(expected)


@pytest.mark.parametrize(
    ("steering", "sampling", "complaint"),
    [
        (Steering(FEATURE, "set", math.nan), Sampling(3), "a strength of nan is no number"),
        (Steering(FEATURE, "add", -math.inf), Sampling(3), "a strength of -inf is no number"),
        (Steering(FEATURE, "add", None), Sampling(3), "give a strength"),
        (Steering(FEATURE, "set", 1e38), Sampling(3), "take a smaller one"),
        (Steering(40, "set", 1.0), Sampling(3), "there is no feature 40"),
        (Steering(FEATURE, "set", 1.0), Sampling(29), "4 tokens and 29 new ones are 33, and .* at most 32"),
    ],
)
def test_what_can_not_be_is_refused(steering: Steering, sampling: Sampling, complaint: str, whole: WholeModel) -> None:
    with pytest.raises(SaescopeError, match=complaint):
        texts(whole, steering, sampling)


def test_an_empty_prompt_is_refused(whole: WholeModel) -> None:
    with pytest.raises(SaescopeError, match="empty prompt"):
        texts(whole, Steering(FEATURE, "set", 1.0), prompt=Prompt([], 0))
