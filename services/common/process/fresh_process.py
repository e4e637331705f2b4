"""Ending this process and coming back as a new one, when what it computes can't be trusted any more, or it hangs.

The process keeps its number and its arguments, so whoever started it needs to do nothing. From one fresh start to the
next it waits longer, until something has worked.
"""

from __future__ import annotations

import logging
import os
import sys
import threading

from services.common.logs import log

# How often in a row; passed on to the new process. Not among the settings, which begin with SAESCOPE_.
_STARTS = "_SAESCOPE_FRESH_STARTS"


class FreshStart:
    """Whether this process is to come back fresh as soon as what it does is done."""

    def __init__(self) -> None:
        self._why: str | None = None
        self._lock = threading.Lock()

    @property
    def why(self) -> str | None:
        """Why it is; None if it isn't."""
        return self._why

    def ask(self, why: str) -> None:
        """Have the process come back fresh, after the running task; nothing new is begun."""
        with self._lock:
            self._why = self._why or why


def come_back_fresh() -> None:
    """Replace this process by a new one, at once; it doesn't return."""
    os.environ[_STARTS] = str(fresh_starts() + 1)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


def pause_before_work_s(longest_s: float) -> float:
    """For how long a process that came back fresh had better wait before it begins: longer each time in a row."""
    starts = fresh_starts()
    return min(longest_s, 2.0 ** (starts - 1)) if starts else 0.0


def fresh_starts() -> int:
    """How often in a row this process has come back fresh, with nothing that worked."""
    given = os.environ.get(_STARTS, "0")
    return int(given) if given.isdigit() else 0


def something_worked() -> None:
    """Begin to count anew."""
    if os.environ.pop(_STARTS, None) is not None:
        log("works again", logging.INFO)
