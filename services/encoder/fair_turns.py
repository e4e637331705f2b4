"""Whose turn it is: runs get chunks encoded one after the other, however many chunks of each are waiting.

Each encoder process takes turns by itself; that all do makes it fair. This file knows nothing of queues.
"""

from __future__ import annotations

from collections.abc import Iterable

_REMEMBERED = 1000  # runs


class Turns:
    """The order in which runs had their turns."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}  # the number of a run's last turn, the oldest first
        self._count = 0

    def order(self, run_ids: Iterable[str]) -> list[str]:
        """The runs in the order in which they are to have a turn: new ones first, then who has waited longest."""
        return sorted(set(run_ids), key=lambda run_id: (self._last.get(run_id, 0), run_id))

    def took(self, run_id: str) -> None:
        """Say that a run has a turn."""
        self._count += 1
        self._last.pop(run_id, None)
        self._last[run_id] = self._count
        if len(self._last) > _REMEMBERED:
            del self._last[next(iter(self._last))]
