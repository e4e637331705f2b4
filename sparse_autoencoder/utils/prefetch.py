"""Prefetch the next item and post-process the previous one in background threads, in order."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def one_ahead(items: Iterable[T]) -> Iterator[Iterator[T]]:
    """An iterator over the items that prefetches one item in a thread.

    An exception of `items` is raised in the place of its item. Leaving the context waits for the item being fetched.
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
    """A function that runs an action in a background thread, so that its caller goes on meanwhile.

    Actions run in order. Each call first waits for the action before it, and raises what that one raised. Leaving the
    context waits for the last action.
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
