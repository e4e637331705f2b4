"""A store whose calls are counted, and a clock that is set by hand; they know nothing of runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from sparse_autoencoder.runs.store import DirectoryStore


class WatchedStore(DirectoryStore):
    """A directory that counts what is asked of it, and lets something happen before a certain file is read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.calls: Counter[str] = Counter()
        self.before: dict[str, Callable[[], None]] = {}

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        self.calls[f"get {key.rpartition('/')[2]}"] += 1
        if happen := self.before.get(key):
            happen()
        return super().get(key, offset, length)

    def list(self, prefix: str = "") -> list[str]:
        self.calls["list"] += 1
        return super().list(prefix)


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now
