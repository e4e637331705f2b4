"""A time limit for calls that have none of their own, such as a name lookup or a library's network request."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def within(timeout_s: float, function: Callable[[], T]) -> T:
    """Call the function; return its result, raise its exception, or raise TimeoutError after `timeout_s` seconds.

    After a timeout the call goes on in a daemon thread, which doesn't keep the process alive.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def call() -> None:
        try:
            results.append(function())
        except BaseException as error:  # raised again in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(timeout_s)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"no answer within {timeout_s:g} seconds")
    return results[0]
