"""A parallel map on the CPU: a few threads, each with an equal share of PyTorch's cores.

A matrix product alone is fastest with all cores. But the work between products (layer norms, attention, top-k, Python
itself) uses one core at a time. With several threads, the other cores compute another thread's products meanwhile.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from threading import Event
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")
_MOST_AT_ONCE = 4  # more would share the cache; two were measured (docs/lab-notes.md)


def at_once(cores: int) -> int:
    """How many items to compute at once, so that each thread has the same number of cores.

    The number must be the same, because rounding may depend on it, and a result must not depend on which thread was
    free.
    """
    return max(number for number in range(1, _MOST_AT_ONCE + 1) if cores % number == 0)


def parallel_map(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """The function's result for each item, in order; a few items are computed at once, with a share of the cores each.

    After an exception (or Ctrl-C) no further item begins. If several items fail, the first item's exception is raised.
    """
    cores = torch.get_num_threads()
    threads = at_once(cores)
    if threads == 1:
        return [function(item) for item in items]
    stopped = Event()

    def unless_stopped(item: Item) -> Result:
        if stopped.is_set():
            raise CancelledError  # never seen by the caller: items begin in order, so this one is after the failed one
        try:
            return function(item)
        except BaseException:
            stopped.set()
            raise

    try:
        with ThreadPoolExecutor(
            threads, "side", initializer=torch.set_num_threads, initargs=(cores // threads,)
        ) as pool:
            return list(pool.map(unless_stopped, items))
    finally:
        torch.set_num_threads(cores)  # part of this setting is shared by all threads
