"""Work that goes on beside a block of code, as the renewing of a lease does; in a thread, but in simulations."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Pause = Callable[[float], bool]  # waits so many seconds, or until the block is over; whether it is over


class Background(Protocol):
    """How work goes on beside a block, and the time that passes meanwhile."""

    def monotonic(self) -> float:
        """Seconds that only ever grow."""

    def beside(self, name: str, work: Callable[[Pause], None]) -> AbstractContextManager[None]:
        """Do `work` while the block runs; it ends when `Pause` says so, and leaving the block waits for that."""


class Threads:
    """A Background of real threads and real time."""

    def monotonic(self) -> float:
        """See Background.monotonic."""
        return time.monotonic()

    @contextmanager
    def beside(self, name: str, work: Callable[[Pause], None]) -> Iterator[None]:
        """See Background.beside."""
        over = threading.Event()
        thread = threading.Thread(target=work, args=(over.wait,), name=name, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
