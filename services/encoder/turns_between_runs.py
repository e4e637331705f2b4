"""Round robin between runs: each run gets one chunk encoded in turn, however many of its chunks wait.

Every encoder process keeps its own order; together they are fair.
"""

from collections.abc import Iterable

_REMEMBERED = 1000  # runs


class Turns:
    """The order in which runs had their last turns."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}  # the number of a run's last turn, the oldest first
        self._count = 0

    def order(self, run_ids: Iterable[str]) -> list[str]:
        """The runs in the order of their next turns: new ones first, then the one that has waited longest."""
        return sorted(set(run_ids), key=lambda run_id: (self._last.get(run_id, 0), run_id))

    def took(self, run_id: str) -> None:
        """Record that a run has its turn now."""
        self._count += 1
        self._last.pop(run_id, None)
        self._last[run_id] = self._count
        if len(self._last) > _REMEMBERED:
            del self._last[next(iter(self._last))]
