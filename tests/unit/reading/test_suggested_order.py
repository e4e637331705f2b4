"""The order in which lists open puts first what fires strongly, on few tokens, in several texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sparse_autoencoder.reading.suggested_order import MOST_CUT, MOST_EARLY, least_texts, suggested

NUM_TOKENS, NUM_TEXTS = 10_000, 1_000
RUN: dict[str, Any] = {"num_texts": NUM_TEXTS, "early_share_of_tokens": 0.02}
FIT: dict[str, Any] = {
    "strength": 2.0,
    "count": 50,
    "texts": least_texts(NUM_TEXTS),
    "cut_share": MOST_CUT,
    "early_share": MOST_EARLY,
    "effective_tokens": 16,
}


def value(**changes: Any) -> float:
    """What one feature is ordered by."""
    numbers = RUN | FIT | changes
    own: dict[str, Any] = {name: np.array([numbers[name]]) if name in FIT else numbers[name] for name in numbers}
    return float(suggested(own.pop("strength"), own.pop("count"), NUM_TOKENS, **own)[0])


def test_strength_counts_and_so_do_few_tokens() -> None:
    assert value() == 1.0
    assert value(strength=3.0) > value() > value(effective_tokens=17)


@pytest.mark.parametrize(
    "change",
    [
        {"texts": least_texts(NUM_TEXTS) - 1},
        {"count": 101},
        {"cut_share": MOST_CUT + 0.01},
        {"early_share": MOST_EARLY + 0.01},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_is_rare_everywhere_or_only_at_beginnings_comes_last(change: dict[str, Any]) -> None:
    assert value(**change, strength=1000.0) < 0 < value(strength=0.001)


def test_in_short_texts_where_many_tokens_are_early_a_feature_may_fire_at_beginnings_only() -> None:
    assert value(early_share=1.0, early_share_of_tokens=0.1) == value()


@pytest.mark.parametrize(("num_texts", "least"), [(0, 3), (100, 3), (1_000, 10), (3_000, 30), (1_400_000, 30)])
def test_of_few_texts_a_feature_needs_to_fire_in_fewer(num_texts: int, least: int) -> None:
    assert least_texts(num_texts) == least


def test_while_tokens_are_not_counted_strength_decides() -> None:
    some: dict[str, Any] = {"cut_share": np.zeros(3), "early_share": np.zeros(3), "effective_tokens": None}
    found = suggested(np.array([1.0, 3.0, 2.0]), np.full(3, 50), NUM_TOKENS, texts=np.full(3, 20), **RUN, **some)
    assert np.argsort(-found).tolist() == [1, 2, 0]
