"""Computing side by side: order, errors, and shares of the cores."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from sparse_autoencoder.kernels.cpu_threads import at_once, parallel_map

PATIENCE_S = 60  # for what should come at once
SHORT_S = 0.2  # for what should not come


class FailureError(Exception):
    """Raised on purpose."""


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("cores", "number"), [(1, 1), (2, 2), (3, 3), (4, 4), (6, 3), (7, 1), (10, 2), (64, 4)])
def test_all_cores_are_shared_out_equally(cores: int, number: int) -> None:
    assert at_once(cores) == number


@pytest.mark.parametrize("cores", [1, 2, 4])
def test_results_come_in_the_order_of_the_items(cores: int) -> None:
    torch.set_num_threads(cores)
    assert parallel_map(lambda item: item * item, range(20)) == [item * item for item in range(20)]


def test_two_items_are_computed_at_once() -> None:
    torch.set_num_threads(2)
    both = threading.Barrier(2)
    assert sorted(parallel_map(lambda _item: both.wait(PATIENCE_S), range(2))) == [0, 1]


@pytest.mark.parametrize("cores", [1, 2, 4, 6])
def test_each_has_its_share_of_the_cores_and_the_caller_keeps_all(cores: int) -> None:
    torch.set_num_threads(cores)
    assert parallel_map(lambda _item: torch.get_num_threads(), range(8)) == [cores // at_once(cores)] * 8
    assert torch.get_num_threads() == cores


@pytest.mark.parametrize("cores", [1, 2])
def test_an_error_is_raised_and_the_caller_keeps_all_cores(cores: int) -> None:
    def fail_at_third(item: int) -> None:
        if item == 2:
            raise FailureError

    torch.set_num_threads(cores)
    with pytest.raises(FailureError):
        parallel_map(fail_at_third, range(20))
    assert torch.get_num_threads() == cores


def test_of_several_errors_the_first_item_s_is_raised_whichever_came_first() -> None:
    torch.set_num_threads(2)
    later_failed = threading.Event()

    def fail(item: int) -> None:
        if item == 0:
            assert later_failed.wait(PATIENCE_S)
            raise FailureError(item)
        later_failed.set()
        raise FailureError(item)

    with pytest.raises(FailureError, match=r"^0$"):
        parallel_map(fail, range(20))


def test_nothing_is_begun_after_an_error_though_an_earlier_item_is_still_computed() -> None:
    torch.set_num_threads(2)
    begun: list[int] = []
    failed, went_on = threading.Event(), threading.Event()

    def fail_at_second(item: int) -> None:
        begun.append(item)
        if item == 0:
            assert failed.wait(PATIENCE_S)
            went_on.wait(SHORT_S)
        elif item == 1:
            failed.set()
            raise FailureError
        else:
            went_on.set()

    with pytest.raises(FailureError):
        parallel_map(fail_at_second, range(20))
    assert begun == [0, 1]
