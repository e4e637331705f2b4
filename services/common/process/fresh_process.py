"""Restarting this process from within, when it hangs or what it computes can't be trusted any more.

It keeps its process id and its arguments (exec), so whoever started it needs to do nothing. It waits longer before each
restart in a row (backoff), until a task has worked.
"""

import logging
import os
import sys
import threading

from services.common.logs import log

# Restarts in a row, passed on to the new process. Settings begin with SAESCOPE_; this is none.
_STARTS = "_SAESCOPE_FRESH_STARTS"


class FreshStart:
    """A request that this process restarts itself after the running tasks."""

    def __init__(self) -> None:
        self._why: str | None = None
        self._lock = threading.Lock()

    @property
    def why(self) -> str | None:
        """The reason for the restart; None if nobody asked for one."""
        return self._why

    def ask(self, why: str) -> None:
        """Ask for a restart after the running tasks; no new ones are begun. The first reason counts."""
        with self._lock:
            self._why = self._why or why


def come_back_fresh() -> None:
    """Replace this process by a new one at once; it never returns."""
    os.environ[_STARTS] = str(fresh_starts() + 1)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


def pause_before_work_s(longest_s: float) -> float:
    """How many seconds a restarted process waits before it begins: exponential backoff, 0 if it wasn't restarted."""
    starts = fresh_starts()
    return min(longest_s, 2.0 ** (starts - 1)) if starts else 0.0


def fresh_starts() -> int:
    """How many restarts in a row this process has made without a task that worked."""
    given = os.environ.get(_STARTS, "0")
    return int(given) if given.isdigit() else 0


def something_worked() -> None:
    """Count restarts from 0 again."""
    if os.environ.pop(_STARTS, None) is not None:
        log("process_recovered", logging.INFO)
