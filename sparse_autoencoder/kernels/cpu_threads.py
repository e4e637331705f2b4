"""Computing several things at once on a CPU's cores: a thread for each, with its share of the cores.

Multiplying alone is fastest with all cores on one product. But what is done between products (layer norms, attention,
the search for the largest, Python itself) keeps one core busy at a time, and the others then have another thread's
products. This file knows nothing of what is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from threading import Event
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")
_MOST_AT_ONCE = 4  # more would share the cache; two were measured (docs/lab-notes.md)


def at_once(cores: int) -> int:
    """How many things to compute at once, so that all have equally many cores.

    Equally many, because rounding may differ with the number of cores, and a result must not depend on which thread
    was free.
    """
    return max(number for number in range(1, _MOST_AT_ONCE + 1) if cores % number == 0)


def side_by_side(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """What a function makes of each item, in their order; some at once, with PyTorch's threads shared out.

    After an error, or Ctrl-C, what hasn't begun is left out; of several errors it is the first item's.
    """
    cores = torch.get_num_threads()
    threads = at_once(cores)
    if threads == 1:
        return [function(item) for item in items]
    stopped = Event()

    def unless_stopped(item: Item) -> Result:
        if stopped.is_set():
            raise CancelledError  # which nobody sees: items begin in order, so those left out come after the error
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
        torch.set_num_threads(cores)  # part of it is a setting for all threads
