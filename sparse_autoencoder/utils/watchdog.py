"""Noticing work that hangs: each piece of work has a deadline, which moves on as the work does.

    with Watchdog(on_expired, backstop=Backstop(sys.stderr)) as watchdog:
        with watchdog.watching("chunk 7", floor_s=600, usual_s=slowest_chunk_s) as work:
            for batch in batches:
                compute(batch)
                work.moved()

A thread looks once a second. A thread that hangs can't be stopped from outside, so what there is to do about it is to
note it and to end the process: that is `on_expired`, which is called in the thread that looks. While native code holds
the interpreter's lock nothing in Python can look; the `Backstop` ends the process then, a while later. Time in which
the whole process was stopped doesn't count. This file knows nothing of chunks, runs or services.
"""

from __future__ import annotations

import faulthandler
import os
import signal
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
FACTOR = 10  # work may take so many times what such work usually takes
_LATE_S = 1.0  # who comes so much too late to look was stopped
_LOOKS_PER_FLOOR = 10  # at least so many in the shortest floor
_ACTING_S = 300.0  # how long `on_expired` may take, until the backstop ends the process in its place


class Work:
    """A piece of work that is watched; made by `Watchdog.watching`."""

    def __init__(
        self, what: str, floor_s: float, usual_s: float, time: Callable[[], float], notice: Action | None
    ) -> None:
        self.what = what  # for people; may be changed while the work goes on
        self.floor_s = floor_s
        self.notice = notice
        self._time = time
        self.begun_at = self.moved_at = time()
        self.deadline = self.begun_at + max(floor_s, FACTOR * usual_s)
        self.expired = False

    def moved(self) -> None:
        """Say that the work goes on; from any thread, and so quick that it can be said for each row."""
        now = self._time()
        self.moved_at = now
        self.deadline = max(self.deadline, now + self.floor_s)
        self.expired = False

    @property
    def seconds(self) -> float:
        """How long the work takes so far."""
        return self._time() - self.begun_at

    @property
    def still_s(self) -> float:
        """How long ago the work last moved, or began."""
        return self._time() - self.moved_at


Action = Callable[[Work], None]


class EndsProcess(Protocol):
    """What ends the process where no Python code can."""

    def arm(self, seconds: float) -> None:
        """End the process in so many seconds, unless this is called again before."""

    def disarm(self) -> None:
        """Don't end it."""


class Backstop:
    """Ends the process with status 1, and what all threads are doing in `file`, though Python can't run.

    There is one such timer in a process. `file` needs a file descriptor, and stays open as long as this is in use.
    """

    setting = threading.RLock()  # of all; reentrant, as a signal's handler takes it too

    def __init__(self, file: IO[str] | IO[bytes]) -> None:
        self._file = file

    def arm(self, seconds: float) -> None:
        """See EndsProcess.arm."""
        with Backstop.setting:
            faulthandler.dump_traceback_later(seconds, exit=True, file=self._file)

    def disarm(self) -> None:
        """See EndsProcess.disarm."""
        faulthandler.cancel_dump_traceback_later()


class Watchdog:
    """Calls `on_expired(work)` for work that is past its deadline, once for each time that it stands still.

    A context manager, which begins and ends the thread; without that nobody looks but who calls `look`.
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
        self._lock = threading.Lock()  # of the works, and of the backstop, which is armed by what they are
        self._works: list[Work] = []
        self._look_every_s = look_every_s  # or more often, where a floor is short
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
        """Watch the work that is done within this context.

        It has `floor_s` seconds from the beginning, ten times `usual_s` if that is more (what such work takes), and
        `floor_s` from each time that it moves. With a `notice`, that is called in the place of `on_expired`, and the
        backstop doesn't end the process: for work that may wait as long as it likes, but should say so.
        """
        work = Work(what, floor_s, usual_s, self._time, notice)
        with self._lock:
            self._works.append(work)
            self._look_every_s = min(self._look_every_s, floor_s / _LOOKS_PER_FLOOR)
            self._arm()
        try:
            yield work
        finally:
            with self._lock:
                self._works.remove(work)
                self._arm()

    def look(self, not_counted_s: float = 0.0) -> None:
        """Look once whether a deadline is over; the last so many seconds don't count, as the process was stopped."""
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
        """Set the backstop to a time when the thread has looked for long, if it can."""
        if self._backstop is None:
            return
        works = [work for work in self._works if work.notice is None]
        now = self._time()
        # A deadline that is over, and wasn't noticed yet, may be one that moves on when the thread looks.
        left = [max(work.deadline - now, 0.0) + work.floor_s for work in works if not work.expired]
        left += [_ACTING_S for work in works if work.expired]
        if left:
            self._backstop.arm(min(left))
        else:
            self._backstop.disarm()


def stop_until_continued() -> None:
    """Do what Ctrl-Z does, but without the backstop, whose time would go on; whoever looks next sets it again."""
    with Backstop.setting:
        faulthandler.cancel_dump_traceback_later()
        signal.raise_signal(signal.SIGSTOP)


def all_threads() -> str:
    """What every thread is doing, as tracebacks under the threads' names."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts = []
    for ident, frame in sys._current_frames().items():
        stack = "".join(traceback.format_stack(frame))
        parts.append(f"Thread {names.get(ident, ident)}:\n{stack}")
    return "\n".join(parts).rstrip()


def patience_s(environment: Mapping[str, str] = os.environ) -> float:
    """For how many seconds work may stand still before it is taken to hang; SaescopeError if what is set is none."""
    given = environment.get(PATIENCE_VARIABLE, "")
    if not given:
        return PATIENCE_S
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < threading.TIMEOUT_MAX:
        raise SaescopeError(
            f"{PATIENCE_VARIABLE} is {given!r}, which is no number of seconds: set it to one, or unset it"
        )
    return seconds
