"""Patterns: which of them predicts at a token, against trying each of them; and what equal ones become."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.explanations.patterns import Patterns


class Given(NamedTuple):
    tokens: tuple[int | None, ...]
    at_start: bool
    activation: float


TOKENS = st.lists(st.none() | st.integers(0, 2), min_size=1, max_size=4).map(tuple)
GIVEN = st.lists(st.builds(Given, TOKENS, st.booleans(), st.floats(0.1, 9)), max_size=12)


def patterns_of(given_ones: list[Given]) -> Patterns[int]:
    patterns: Patterns[int] = Patterns()
    for one in given_ones:
        patterns.add(one.tokens, at_start=one.at_start, activation=one.activation)
    return patterns


def fits(one: Given, text: list[int], at: int) -> bool:
    begin = at + 1 - len(one.tokens)
    if begin < 0 or (one.at_start and begin > 0):
        return False
    return all(own in (None, token) for own, token in zip(one.tokens, text[begin : at + 1], strict=True))


def best_by_trying_each(given_ones: list[Given], text: list[int], at: int) -> float:
    """The mean of the equal patterns that are longest, and of those name certain tokens nearest to the end."""

    def rank(one: Given) -> tuple[int, list[bool]]:
        return len(one.tokens) + one.at_start, [token is not None for token in reversed(one.tokens)]

    fitting = [one for one in given_ones if fits(one, text, at)]
    if not fitting:
        return 0.0
    best = max(fitting, key=rank)
    equal = [one.activation for one in fitting if (one.tokens, one.at_start) == (best.tokens, best.at_start)]
    return sum(equal) / len(equal)


@given(GIVEN, st.lists(st.integers(0, 2), max_size=6))
def test_the_longest_pattern_that_fits_predicts(given_ones: list[Given], text: list[int]) -> None:
    expected = [best_by_trying_each(given_ones, text, at) for at in range(len(text))]
    assert patterns_of(given_ones).predict(text) == pytest.approx(expected)


def test_a_short_pattern_does_not_hide_a_longer_one() -> None:
    patterns = patterns_of([Given((1,), False, 3.0), Given((0, 1), False, 6.5)])
    assert patterns.predict([0, 1]) == [0.0, 6.5]


def test_where_a_certain_token_leads_nowhere_any_token_is_tried() -> None:
    patterns = patterns_of([Given((5, 0, 1), False, 3.0), Given((4, None, 1), False, 2.0)])
    assert patterns.predict([4, 0, 1])[-1] == 2.0


@given(GIVEN)
def test_equal_patterns_are_one_that_predicts_their_mean(given_ones: list[Given]) -> None:
    values: dict[tuple[tuple[int | None, ...], bool], list[float]] = {}
    for one in given_ones:
        values.setdefault((one.tokens, one.at_start), []).append(one.activation)
    found = patterns_of(given_ones).most_important_first()
    assert len(found) == len(values)
    for pattern in found:
        own = values[pattern.tokens, pattern.at_start]
        assert pattern.num_examples == len(own)
        assert pattern.activation == pytest.approx(sum(own) / len(own))


def test_patterns_of_most_examples_come_first_then_the_strongest() -> None:
    patterns = patterns_of([Given((0,), False, 9.0), Given((1,), False, 1.0), Given((1,), False, 2.0)])
    patterns.add((2,), at_start=True, activation=10.0)
    assert [one.tokens for one in patterns.most_important_first()] == [(1,), (2,), (0,)]


def test_tokens_that_get_the_same_name_make_their_patterns_one() -> None:
    patterns = patterns_of([Given((0, None), False, 1.0), Given((1, None), False, 4.0), Given((1, None), False, 4.0)])
    (one,) = patterns.with_tokens(lambda _token: "x").most_important_first()
    assert (one.tokens, one.num_examples, one.activation) == (("x", None), 3, 3.0)


def test_the_last_tokens_are_those_of_all_patterns() -> None:
    assert patterns_of([Given((0, 1), False, 1.0), Given((None, 2), True, 1.0)]).last_tokens == {1, 2}
    assert patterns_of([Given((0, 1), False, 1.0), Given((2, None), False, 1.0)]).last_tokens is None


def test_what_the_feature_does_where_a_pattern_fits_elsewhere_counts_and_all_examples_as_one_such_place() -> None:
    patterns = patterns_of([Given((1,), False, 3.0), Given((1,), False, 5.0), Given((2,), False, 1.0)])
    fitting = patterns.fitting([0, 1], 1)
    assert fitting is not None
    fitting.elsewhere += [0.0, 2.0]
    assert patterns.predict([1, 2]) == [2.0, 1.0]
    (one, _other) = patterns.with_tokens(str).most_important_first()
    assert (one.num_examples, one.activation, one.num_checked, one.num_fired) == (2, 2.0, 2, 1)


def test_a_pattern_of_no_tokens_is_refused() -> None:
    with pytest.raises(SaescopeError, match="at least one token"):
        patterns_of([Given((), True, 1.0)])
