"""Minimal texts of made-up features, against their definition."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.explanations.minimal_texts import MinimalText, Source, minimal_texts, result_of
from tests.support.toy_features import PADDING, Automaton, random_automaton, random_text


def sources_of(automaton: Automaton, chooser: random.Random) -> list[Source]:
    """Texts that end where the feature fires."""
    texts = [random_text(chooser) for _text in range(5)]
    return [
        Source(text[: at + 1], act) for text in texts for at, act in enumerate(automaton.activations(text)) if act > 0
    ]


@given(st.integers(0, 10**6), st.integers(1, 20))
def test_minimal_texts_are_what_they_are_defined_to_be(seed: int, batch_size: int) -> None:
    chooser = random.Random(seed)
    automaton = random_automaton(chooser)

    def last(text: list[int]) -> float:
        return automaton.activations(text)[-1]

    sources = sources_of(automaton, chooser)
    texts = result_of(minimal_texts(automaton, sources, PADDING, batch_size, ask_for_own=True))
    assert len(texts) == len(sources)
    for source, text in zip(sources, texts, strict=True):
        half = source.activation / 2
        own = source.tokens[text.begin :]
        assert text.reaches_half
        assert text.activation == last(own) >= half
        assert all(last(own[shorter:]) < half for shorter in range(1, len(own)))
        replaced = [[*own[:at], PADDING, *own[at + 1 :]] for at in range(len(own))]
        assert text.matters == [last(one) <= text.activation / 2 for one in replaced]
        assert text.follows_padding == (last([PADDING, *own]) >= half)
        assert text.follows_own == (text.begin > 0 and last(source.tokens[text.begin - 1 :]) >= half)


def text_of(after: set[int]) -> MinimalText:
    """Of a feature that fires on token 2 at a text's beginning, or behind some tokens."""

    def fires(texts: list[list[int]]) -> list[list[float]]:
        return [
            [float(token == 2 and (at == 0 or text[at - 1] in after)) for at, token in enumerate(text)]
            for text in texts
        ]

    (text,) = result_of(minimal_texts(fires, [Source([0, 1, 2], 1.0)], PADDING, 16, ask_for_own=True))
    return text


def test_a_text_that_padding_breaks_but_its_own_token_does_not_is_not_only_at_the_start() -> None:
    assert text_of(after={1}).follows_own
    assert not text_of(after={1}).only_at_start
    assert text_of(after={5}).only_at_start


def test_progress_goes_from_source_to_source_and_then_over_changed_texts() -> None:
    automaton = Automaton([[1, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0]], [0.0, 1.0])
    steps = minimal_texts(automaton, [Source([0], 1.0), Source([1, 0], 1.0)], PADDING, 2)
    assert list(steps) == [(2, 2), (2, 4), (4, 4)]


@pytest.mark.parametrize(("tokens", "activation"), [([], 1.0), ([1], 0.0), ([1], -1.0), ([1], float("inf"))])
def test_what_does_not_fire_is_no_source(tokens: list[int], activation: float) -> None:
    with pytest.raises(SaescopeError, match=r"leave it out|take examples"):
        Source(tokens, activation)
