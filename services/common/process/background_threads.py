"""Work in the background of a block of code, such as renewing a lease: in a thread, or simulated in tests."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Pause = Callable[[float], bool]  # waits so many seconds, or until the block ends; returns whether it has ended


class Background(Protocol):
    """Runs background work, and tells the time to it."""

    def monotonic(self) -> float:
        """Seconds of a clock that is never set back."""

    def beside(self, name: str, work: Callable[[Pause], None]) -> AbstractContextManager[None]:
        """Run `work` while the block runs. It must return when its Pause says so; leaving the block waits for that."""


class Threads:
    """The interface Background with real threads and real time."""

    def monotonic(self) -> float:
        return time.monotonic()

    @contextmanager
    def beside(self, name: str, work: Callable[[Pause], None]) -> Iterator[None]:
        over = threading.Event()
        thread = threading.Thread(target=work, args=(over.wait,), name=name, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
