"""Questions in batches: how many are asked at once, and that each gets its own answer."""

from __future__ import annotations

from collections.abc import Generator
from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.explanations import apply_batched, batch_parallelize, batched


@given(st.lists(st.integers()), st.integers(1, 9))
def test_batches_hold_all_items_in_order_and_only_the_last_is_short(items: list[int], size: int) -> None:
    batches = list(batched(iter(items), size))
    assert [item for batch in batches for item in batch] == items
    assert all(len(batch) == size for batch in batches[:-1])
    assert all(0 < len(batch) <= size for batch in batches[-1:])


def test_batches_take_no_more_items_than_they_are_asked_for() -> None:
    numbers = count()
    assert list(islice(batched(numbers, 3), 2)) == [[0, 1, 2], [3, 4, 5]]
    assert next(numbers) == 6


def test_a_function_is_applied_to_batches() -> None:
    sizes = []

    def doubled(batch: list[int]) -> list[int]:
        sizes.append(len(batch))
        return [2 * item for item in batch]

    assert list(apply_batched(doubled, range(7), 3)) == [0, 2, 4, 6, 8, 10, 12]
    assert sizes == [3, 3, 1]


def test_a_function_that_loses_an_item_is_refused() -> None:
    with pytest.raises(SaescopeError, match="1 answers to 2 items"):
        list(apply_batched(lambda batch: batch[:1], [1, 2], 2))


def test_batches_of_nothing_are_refused() -> None:
    with pytest.raises(SaescopeError, match="a batch of 0 items"):
        list(batched([1], 0))


@given(st.lists(st.integers(0, 6), max_size=8), st.integers(1, 5))
def test_generators_go_on_in_step_and_get_their_own_answers(rounds: list[int], size: int) -> None:
    asked: list[list[tuple[int, int]]] = []

    def asking(number: int) -> Generator[tuple[int, int], int, list[int]]:
        answers = []
        for turn in range(rounds[number]):
            answers.append((yield number, turn))
        return answers

    def answer(batch: list[tuple[int, int]]) -> list[int]:
        asked.append(batch)
        return [10 * number + turn for number, turn in batch]

    results = batch_parallelize([asking(number) for number in range(len(rounds))], answer, size)
    assert results == [[10 * number + turn for turn in range(turns)] for number, turns in enumerate(rounds)]
    in_step = [sum(turns > turn for turns in rounds) for turn in range(max(rounds, default=0))]
    assert len(asked) == sum(-(-together // size) for together in in_step)
