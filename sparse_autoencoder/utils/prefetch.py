"""Doing what comes before and after a piece of work in other threads, beside the work itself, and in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def one_ahead(items: Iterable[T]) -> Iterator[Iterator[T]]:
    """The items, of which the next is taken while one is worked with; an error comes where its item would.

    Leaving waits for the item that is being taken.
    """
    source, end = iter(items), object()
    with ThreadPoolExecutor(1, "ahead") as pool:

        def taken() -> Iterator[T]:
            coming: Future[T | object] = pool.submit(next, source, end)
            while (item := coming.result()) is not end:
                coming = pool.submit(next, source, end)
                yield item  # type: ignore[misc]

        yield taken()


@contextmanager
def one_behind() -> Iterator[Callable[[Callable[[], None]], None]]:
    """A function that does actions one after the other, the last one while its caller goes on.

    It waits for the action before, and raises what that one raised; leaving waits for the last.
    """
    last: Future[None] | None = None

    def do(action: Callable[[], None]) -> None:
        nonlocal last
        if last is not None:
            last.result()
        last = pool.submit(action)

    with ThreadPoolExecutor(1, "behind") as pool:
        yield do
        if last is not None:
            last.result()
