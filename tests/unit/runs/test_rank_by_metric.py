"""Rankings leave the features that a selection says, in its order, as going through all of them one by one would."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.runs.overview_file import ExampleTokens, Histograms, Overview, Statistics
from sparse_autoencoder.runs.rank_by_metric import TOKEN_SHARE, Rankings, Selection, ranked
from sparse_autoencoder.runs.token_matches import TokenCounts, TokenMatches

NUM_TOKENS = 7
VOCABULARY = ["a", " A", "ab", "B ", "ß", "SS"]
NONE = np.zeros(0, np.int64)

features = st.lists(  # of each the active tokens, a metric's value and the tokens of its examples
    st.tuples(st.integers(0, NUM_TOKENS), st.sampled_from([-1.5, 0.0, 0.25, 3.0]), st.sets(st.integers(0, 5))),
    max_size=12,
)
counts = st.none() | st.integers(0, NUM_TOKENS)
densities = st.none() | st.floats(0, 1) | st.integers(0, NUM_TOKENS).map(lambda count: count / NUM_TOKENS)
selections = st.builds(
    Selection,
    sort=st.sampled_from(["loudness", "feature_id", "num_active_tokens", "rarity", TOKEN_SHARE]),
    descending=st.booleans(),
    min_density=densities,
    max_density=densities,
    min_count=counts,
    max_count=counts,
    token=st.none() | st.sampled_from(["a", "A", " a", "b", "b ", "ss", "z"]),
    dead=st.booleans(),
).filter(lambda selection: selection.token is not None or selection.sort != TOKEN_SHARE)


def rankings_of(features: list[tuple[int, float, set[int]]], searched: list[str] | None = None) -> Rankings:
    """The rankings; what is really searched for is appended to `searched`."""
    count = np.array([count for count, _value, _tokens in features], np.int64)
    loudness = np.array([value for _count, value, _tokens in features], np.float64)
    tokens = [sorted(tokens) for _count, _value, tokens in features]
    overview = Overview(
        Statistics(count, (), {"loudness": loudness}),
        Histograms(NONE, NONE.astype(np.int32), NONE),
        ExampleTokens(np.cumsum([0, *map(len, tokens)]), np.array([*chain.from_iterable(tokens)], np.int32)),
    )

    def matching(text: str) -> TokenMatches:
        if searched is not None:
            searched.append(text)
        wanted = np.array([text.casefold() in token.casefold() for token in VOCABULARY])
        fires = np.array([fires_on(text, tokens) for _count, _value, tokens in features], np.int64)
        feature = np.flatnonzero(fires).astype(np.int32)
        counts = TokenCounts(feature, fires[feature], np.ones(len(feature), np.float32), 99, 1, 1)
        return TokenMatches(overview.tokens.any_of(wanted), counts)

    return Rankings(overview, NUM_TOKENS, matching, {"rarity": lambda: 1 / (1 + count)})


def fires_on(text: str, tokens: set[int]) -> int:
    """How often a feature with examples at these tokens fires on those that contain a text: more often the later."""
    return sum(1 + token for token in tokens if text.casefold() in VOCABULARY[token].casefold())


def expected(features: list[tuple[int, float, set[int]]], selection: Selection) -> list[int]:
    def selected(count: int, tokens: set[int]) -> bool:
        density = count / NUM_TOKENS
        return (
            (count == 0) == selection.dead
            and (selection.min_density is None or density >= selection.min_density)
            and (selection.max_density is None or density <= selection.max_density)
            and (selection.min_count is None or count >= selection.min_count)
            and (selection.max_count is None or count <= selection.max_count)
            and (
                selection.token is None
                or any(selection.token.casefold() in VOCABULARY[token].casefold() for token in tokens)
            )
        )

    def key(feature: int) -> tuple[float, int, int]:
        count, value, tokens = features[feature]
        on_tokens = fires_on(selection.token or "", tokens)
        values = {"loudness": value, "feature_id": feature, "num_active_tokens": count, "rarity": 1 / (1 + count)}
        by = (values | {TOKEN_SHARE: on_tokens / max(count, 1)})[selection.sort]
        then = on_tokens if selection.sort == TOKEN_SHARE else 0
        return (-by, -then, feature) if selection.descending else (by, then, feature)

    return sorted((f for f, (count, _value, tokens) in enumerate(features) if selected(count, tokens)), key=key)


@given(features, st.lists(selections, min_size=1, max_size=4))
def test_every_selection_equals_the_oracle_whatever_was_selected_before(
    features: list[tuple[int, float, set[int]]], selections: list[Selection]
) -> None:
    rankings = rankings_of(features)
    for selection in [*selections, *selections]:
        assert rankings.ids(selection).tolist() == expected(features, selection)


def test_what_was_sorted_and_searched_long_ago_is_sorted_and_searched_again() -> None:
    features: list[tuple[int, float, set[int]]] = [(1, 3.0, {0}), (2, 0.25, {3}), (3, 0.25, {0, 3})]
    searched: list[str] = []
    rankings = rankings_of(features, searched)
    for text in ["a", "a", *map(str, range(40)), "a"]:
        assert rankings.ids(Selection("loudness", token=text)).tolist() == ([0, 2] if text == "a" else [])
    assert searched == ["a", *map(str, range(40)), "a"]


def test_equal_values_come_by_number() -> None:
    values = np.array([1.0, 3.0, 3.0, 0.5, 3.0])
    assert ranked(values).tolist() == [1, 2, 4, 0, 3]
    assert ranked(values, descending=False).tolist() == [3, 0, 1, 2, 4]


def test_a_sort_that_the_run_does_not_have_is_an_error() -> None:
    with pytest.raises(KeyError, match="brightness"):
        rankings_of([(1, 1.0, set())]).ids(Selection("brightness"))


def test_without_tokens_there_is_no_share_of_them() -> None:
    with pytest.raises(KeyError, match="token_share"):
        rankings_of([(1, 1.0, set())]).ids(Selection(TOKEN_SHARE))


def test_many_threads_get_what_one_gets() -> None:
    random = np.random.default_rng(0)
    features: Any = [(int(random.integers(8)), float(random.random()), {int(random.integers(6))}) for _ in range(200)]
    wanted = [
        Selection(sort, descending, token=token)
        for sort in ("loudness", "num_active_tokens")
        for descending in (True, False)
        for token in (None, *map(chr, range(97, 137)))
    ]
    rankings = rankings_of(features)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda selection: rankings.ids(selection).tolist(), wanted * 3))
    assert found == [expected(features, selection) for selection in wanted * 3]
