"""Calls in daemon threads, which don't keep the process alive, and a time limit for calls that have none."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

T = TypeVar("T")


def in_daemon_thread(function: Callable[[], T]) -> Future[T]:
    """Call the function in a daemon thread that starts at once; its result, or its exception."""
    future: Future[T] = Future()

    def call() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # raised again in the thread that asks for the result
            future.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    return future


def within(timeout_s: float, function: Callable[[], T]) -> T:
    """Call the function; return its result, raise its exception, or raise TimeoutError after `timeout_s` seconds.

    After a timeout the call goes on in a daemon thread. It suits a name lookup, or a library's network request.
    """
    future = in_daemon_thread(function)
    if not wait([future], timeout_s).done:
        raise TimeoutError(f"no answer within {timeout_s:g} seconds")
    return future.result()
