"""Taking ahead and doing behind: what overlaps, what waits, and where errors come out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from sparse_autoencoder.utils.prefetch import one_ahead, one_behind

PATIENCE_S = 60  # for what should come at once


class FailureError(Exception):
    """Raised on purpose."""


def test_items_come_in_order() -> None:
    with one_ahead(range(5)) as items:
        assert list(items) == [0, 1, 2, 3, 4]


def test_the_next_item_is_taken_while_one_is_worked_with() -> None:
    second_taken = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        second_taken.set()
        yield 2

    with one_ahead(items()) as taken:
        assert next(taken) == 1
        assert second_taken.wait(PATIENCE_S)


def test_no_more_than_one_item_is_taken_ahead() -> None:
    taken_so_far: list[int] = []

    def items() -> Iterator[int]:
        for number in range(5):
            taken_so_far.append(number)
            yield number

    with one_ahead(items()) as taken:
        next(taken)
        next(taken)
    assert taken_so_far == [0, 1, 2]


def test_an_error_comes_where_its_item_would() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise FailureError

    with one_ahead(items()) as taken:
        assert next(taken) == 1
        with pytest.raises(FailureError):
            next(taken)


def test_leaving_early_takes_no_further_item_and_ends_the_thread() -> None:
    threads = threading.active_count()
    with one_ahead(range(5)) as taken:
        next(taken)
    assert threading.active_count() == threads


def test_actions_are_done_in_order_and_all_of_them() -> None:
    done: list[int] = []
    with one_behind() as later:
        for number in range(5):
            later(lambda number=number: done.append(number))  # type: ignore[misc]
    assert done == [0, 1, 2, 3, 4]


def test_an_action_is_done_beside_its_caller() -> None:
    caller_goes_on = threading.Event()
    seen: list[bool] = []
    with one_behind() as later:
        later(lambda: seen.append(caller_goes_on.wait(PATIENCE_S)))
        caller_goes_on.set()
    assert seen == [True]


def test_an_action_s_error_comes_with_the_next_and_keeps_that_from_being_done() -> None:
    done: list[int] = []

    def fail() -> None:
        raise FailureError

    def both() -> None:
        with one_behind() as later:
            later(fail)
            later(lambda: done.append(2))

    with pytest.raises(FailureError):
        both()
    assert done == []


def test_the_last_action_s_error_comes_when_leaving() -> None:
    def fail() -> None:
        raise FailureError

    with pytest.raises(FailureError), one_behind() as later:
        later(fail)


def test_what_was_begun_is_finished_when_the_caller_fails() -> None:
    done: list[int] = []
    with suppress(FailureError), one_behind() as later:
        later(lambda: done.append(1))
        raise FailureError
    assert done == [1]
