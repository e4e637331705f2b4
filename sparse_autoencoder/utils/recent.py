"""Recent: what was used last stays in memory, up to a limit. It knows nothing of what it keeps."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """Values by key, those used last; their sizes together are at most `limit`, but the last one used always stays.

    Every value has size 1 unless `size` says otherwise. Not for several threads at once.
    """

    def __init__(self, limit: int, size: Callable[[Value], int] = lambda _value: 1) -> None:
        self._limit = limit
        self._size = size
        self._values: OrderedDict[Key, Value] = OrderedDict()
        self._total = 0

    def __iter__(self) -> Iterator[Key]:
        """The keys of what is kept."""
        return iter(tuple(self._values))

    def get(self, key: Key) -> Value | None:
        """What is kept under a key; None if nothing is."""
        if key in self._values:
            self._values.move_to_end(key)
        return self._values.get(key)

    def keep(self, key: Key, value: Value) -> Value:
        """Keep a value under a key, and forget what was used least recently where it is too much; returns the value."""
        self.forget(key)
        self._values[key] = value
        self._total += self._size(value)
        while self._total > self._limit and len(self._values) > 1:
            self.forget(next(iter(self._values)))
        return value

    def forget(self, key: Key) -> None:
        """Keep nothing under a key."""
        value = self._values.pop(key, None)
        if value is not None:
            self._total -= self._size(value)
