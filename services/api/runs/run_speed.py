"""How fast a run is and how long it will take: from what was seen of its progress lately.

Pure arithmetic, without access to files or servers.
"""

import threading
from collections import deque
from dataclasses import dataclass

WINDOW_S = 60.0


@dataclass(frozen=True)
class Seen:
    """How far a run was at a time (seconds since 1970)."""

    at: float
    num_records: int
    num_tokens: int


@dataclass(frozen=True)
class Speed:
    """A run's speed."""

    records_per_s: float
    tokens_per_s: float


class Speeds:
    """What was seen of the progress of runs, for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, deque[Seen]] = {}

    def see(self, run_id: str, seen: Seen, begun_at: float | None, now: float) -> Speed | None:
        """Take note of a run's progress; its speed over the last minute or so, None if nothing is known yet.

        Until it went on twice, that is the speed since `begun_at`, if it began then with nothing. A run that takes
        longer for its next step than it did for those before becomes slower and slower.
        """
        with self._lock:
            steps = self._seen.setdefault(run_id, deque())
            if steps and seen.num_records < steps[-1].num_records:  # what wasn't saved was lost
                steps.clear()
            if not steps or seen.num_records > steps[-1].num_records:
                steps.append(seen)
            while len(steps) > 2 and steps[1].at <= steps[-1].at - WINDOW_S:
                steps.popleft()
            first, last, count = steps[0], steps[-1], len(steps)
        if count == 1:
            if begun_at is None:
                return None
            first = Seen(begun_at, 0, 0)
            step_s = last.at - begun_at
        else:
            step_s = (last.at - first.at) / (count - 1)
        seconds = max(last.at, now - step_s) - first.at
        if seconds <= 0 or last.num_records == 0:
            return None
        return Speed((last.num_records - first.num_records) / seconds, (last.num_tokens - first.num_tokens) / seconds)

    def forget(self, run_id: str) -> None:
        """Begin anew with a run, because it is no longer active."""
        with self._lock:
            self._seen.pop(run_id, None)


def total_records(
    *,
    done: int,
    exact: int | None,
    max_rows: int | None,
    num_read: int = 0,
    fraction_read: float | None = None,
) -> int | None:
    """The rows there will be: as counted, at most as asked for, or estimated from the part of the source that was read.

    None if nothing is known.
    """
    if exact is not None:
        return exact
    estimate = round(num_read / fraction_read) if fraction_read and num_read else None
    known = [number for number in (max_rows, estimate) if number is not None]
    return max(min(known), done) if known else None


def seconds_left(done: int, total: int | None, speed: Speed | None) -> int | None:
    """How many seconds the rest will take; None if that isn't known."""
    if total is None or speed is None or speed.records_per_s <= 0:
        return None
    return round(max(0, total - done) / speed.records_per_s)
