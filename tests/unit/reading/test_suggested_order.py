"""The order in which lists open puts first what fires strongly, on few tokens, in several texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sparse_autoencoder.reading.suggested_order import LEAST_TEXTS, MOST_CUT, suggested

NUM_TOKENS = 10_000
FIT: dict[str, Any] = {"strength": 2.0, "count": 50, "texts": LEAST_TEXTS, "cut_share": MOST_CUT, "effective_tokens": 4}


def value(**changes: Any) -> float:
    """What one feature is ordered by."""
    own = {name: np.array([number]) for name, number in (FIT | changes).items()}
    return float(suggested(own.pop("strength"), own.pop("count"), NUM_TOKENS, **own)[0])


def test_strength_counts_and_so_do_few_tokens() -> None:
    assert value() == 1.0
    assert value(strength=3.0) > value() > value(effective_tokens=5)


@pytest.mark.parametrize(
    "change",
    [{"texts": LEAST_TEXTS - 1}, {"count": 101}, {"cut_share": MOST_CUT + 0.01}],
    ids=lambda change: next(iter(change)),
)
def test_what_is_rare_everywhere_or_made_by_cutting_comes_last(change: dict[str, Any]) -> None:
    assert value(**change, strength=1000.0) < 0 < value(strength=0.001)


def test_while_tokens_are_not_counted_strength_decides() -> None:
    found = suggested(
        np.array([1.0, 3.0, 2.0]),
        np.array([50, 50, 50]),
        NUM_TOKENS,
        texts=np.array([20, 20, 20]),
        cut_share=np.zeros(3),
        effective_tokens=None,
    )
    assert np.argsort(-found).tolist() == [1, 2, 0]
