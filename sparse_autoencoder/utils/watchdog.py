"""Detect work that hangs: each piece of work has a deadline, which moves on whenever the work makes progress.

    with Watchdog(on_expired, backstop=Backstop(sys.stderr)) as watchdog:
        with watchdog.watching("chunk 7", floor_s=600, usual_s=slowest_chunk_s) as work:
            for batch in batches:
                compute(batch)
                work.moved()

A thread checks the deadlines once a second, and calls `on_expired` for work that is late. A thread that hangs can't be
stopped from outside, so `on_expired` usually records the hang and ends the process. While native code holds the
interpreter's lock, no Python code can check anything; then the `Backstop` ends the process a while later. Time in which
the whole process was stopped (Ctrl-Z) doesn't count.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Protocol, Self

from sparse_autoencoder.errors import SaescopeError

PATIENCE_VARIABLE = "SAESCOPE_PATIENCE_S"
PATIENCE_S = 600.0
FACTOR = 10  # work may take this many times as long as such work usually takes
_LATE_S = 1.0  # a check that comes later than this: the process was stopped meanwhile
_CHECKS_PER_FLOOR = 10  # at least this many in the shortest `floor_s`
_ACTING_S = 300.0  # how long `on_expired` may take before the backstop ends the process


class Work:
    """A piece of work under watch; `Watchdog.watching` makes it."""

    def __init__(
        self, what: str, floor_s: float, usual_s: float, time: Callable[[], float], notice: Action | None
    ) -> None:
        self.what = what  # for users; may be changed while the work goes on
        self.floor_s = floor_s
        self.notice = notice
        self._time = time
        self.begun_at = self.moved_at = time()
        self.deadline = self.begun_at + max(floor_s, FACTOR * usual_s)
        self.expired = False

    def moved(self) -> None:
        """Report progress. Any thread may call this, and it is fast enough to be called for each row."""
        now = self._time()
        self.moved_at = now
        self.deadline = max(self.deadline, now + self.floor_s)
        self.expired = False

    @property
    def seconds(self) -> float:
        """Seconds since the work began."""
        return self._time() - self.begun_at

    @property
    def still_s(self) -> float:
        """Seconds since the last progress, or since the beginning."""
        return self._time() - self.moved_at


Action = Callable[[Work], None]


class EndsProcess(Protocol):
    """A timer that can end the process while no Python code runs."""

    def arm(self, seconds: float) -> None:
        """End the process in this many seconds; calling it again restarts the timer."""

    def disarm(self) -> None:
        """Stop the timer."""


class Backstop:
    """Ends the process with status 1 while no Python code can run, and writes all threads' tracebacks to `file`.

    A process has only one such timer (faulthandler's). `file` needs a file descriptor, and must stay open.
    """

    lock = threading.RLock()  # of the process's timer; reentrant, because a signal handler takes it too

    def __init__(self, file: IO[str] | IO[bytes]) -> None:
        self._file = file

    def arm(self, seconds: float) -> None:
        """See EndsProcess.arm."""
        with Backstop.lock:
            faulthandler.dump_traceback_later(seconds, exit=True, file=self._file)

    @staticmethod
    def disarm() -> None:
        """See EndsProcess.disarm; it stops the process's timer, whoever started it."""
        faulthandler.cancel_dump_traceback_later()


class Watchdog:
    """Calls `on_expired(work)` when work passes its deadline, and again only after the work has made progress.

    The context manager runs the thread that checks. Outside it, deadlines are checked only when `look` is called.
    """

    def __init__(
        self,
        on_expired: Action,
        backstop: EndsProcess | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        look_every_s: float = 1.0,
    ) -> None:
        self._on_expired = on_expired
        self._backstop = backstop
        self._clock = clock
        self._not_counted_s = 0.0
        self._lock = threading.Lock()  # guards the works and the backstop, whose time depends on them
        self._works: list[Work] = []
        self._look_every_s = look_every_s  # or more often, if a `floor_s` is short
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        if self._backstop is not None:
            self._backstop.disarm()

    @contextmanager
    def watching(self, what: str, floor_s: float, usual_s: float = 0.0, notice: Action | None = None) -> Iterator[Work]:
        """Watch the work that is done in this context.

        Its deadline is `floor_s` seconds after the beginning, or ten times `usual_s` if that is later (`usual_s` is how
        long such work usually takes), and at least `floor_s` after each progress. `notice` is called instead of
        `on_expired`, and then the backstop doesn't end the process: for work that may wait without limit, but should
        say so.
        """
        work = Work(what, floor_s, usual_s, self._time, notice)
        with self._lock:
            self._works.append(work)
            self._look_every_s = min(self._look_every_s, floor_s / _CHECKS_PER_FLOOR)
            self._arm()
        try:
            yield work
        finally:
            with self._lock:
                self._works.remove(work)
                self._arm()

    def look(self, not_counted_s: float = 0.0) -> None:
        """Check the deadlines once; `not_counted_s` is for how long the process was stopped since the last check."""
        self._look(self._clock(), not_counted_s)

    def _look(self, now: float, not_counted_s: float) -> None:
        with self._lock:
            self._not_counted_s += not_counted_s
            now -= self._not_counted_s
            expired = [work for work in self._works if now > work.deadline and not work.expired]
            for work in expired:
                work.expired = True
            self._arm()
        for work in expired:
            (work.notice or self._on_expired)(work)

    def _look_on(self) -> None:
        before, every_s = self._clock(), self._look_every_s
        while not self._ended.wait(every_s):
            now = self._clock()
            late_s = now - before - every_s
            self._look(now, late_s if late_s > _LATE_S else 0.0)
            before, every_s = self._clock(), self._look_every_s

    def _time(self) -> float:
        return self._clock() - self._not_counted_s

    def _arm(self) -> None:
        """Set the backstop to a time after which the thread, if it can run, has surely checked the deadlines."""
        if self._backstop is None:
            return
        works = [work for work in self._works if work.notice is None]
        now = self._time()
        # A deadline that is over but not noticed yet may still move on: after Ctrl-Z the next check adds that time.
        left = [max(work.deadline - now, 0.0) + work.floor_s for work in works if not work.expired]
        left += [_ACTING_S for work in works if work.expired]
        if left:
            self._backstop.arm(min(left))
        else:
            self._backstop.disarm()


def all_threads() -> str:
    """The traceback of every thread, under the thread's name."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts = []
    for ident, frame in sys._current_frames().items():
        stack = "".join(traceback.format_stack(frame))
        parts.append(f"Thread {names.get(ident, ident)}:\n{stack}")
    return "\n".join(parts).rstrip()


def patience_s(environment: Mapping[str, str] = os.environ) -> float:
    """For how many seconds work may make no progress until it counts as hanging; SaescopeError for a bad setting."""
    given = environment.get(PATIENCE_VARIABLE, "")
    if not given:
        return PATIENCE_S
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < threading.TIMEOUT_MAX:
        raise SaescopeError(
            f"{PATIENCE_VARIABLE} is {given!r}, but it must be a number of seconds above 0: correct it, or unset it"
        )
    return seconds
