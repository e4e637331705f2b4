"""What a long work says of itself on stderr: on a terminal a line that stays up to date, in a log a line now and then.

The work only notes numbers, which costs nothing; a thread of its own shows them. `phase` names what is done now.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sparse_autoencoder.utils.progress_bars import progress_bar, say

ON_A_TERMINAL_S = 0.2
IN_A_LOG_S = 30.0
_STEADY = 0.05  # an estimate is shown anew only if it changes by more than this share
_DIGITS = 2  # of an estimate


@contextmanager
def shown(describe: Callable[[], str]) -> Iterator[None]:
    """Show what `describe` says for as long as the block takes; another thread calls it."""
    ended = threading.Event()
    show = _on_terminal if sys.stderr.isatty() else _in_log
    thread = threading.Thread(target=show, args=(describe, ended), name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def phase(what: str) -> Iterator[None]:
    """Show what is done now, and for how long already."""
    begin = time.monotonic()
    with shown(lambda: f"{what}, {in_words(time.monotonic() - begin)} so far"):
        yield


def _on_terminal(describe: Callable[[], str], ended: threading.Event) -> None:
    with progress_bar(bar_format="{desc}", leave=False) as line:
        while not ended.wait(ON_A_TERMINAL_S):
            line.set_description_str(describe()[: shutil.get_terminal_size().columns - 1])


def _in_log(describe: Callable[[], str], ended: threading.Event) -> None:
    while not ended.wait(IN_A_LOG_S):
        say(describe())


class RowsProgress:
    """How many rows of about how many are done, how fast, and how long the rest takes."""

    def __init__(self, done: float, most: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begin = clock()
        self._done_before = self._done = done
        self._most = most  # rows, if there are to be no more
        self._total: int | None = None
        self._is_exact = False
        self._tokens = 0.0
        self.note = ""  # something to say beside the numbers

    def at(self, rows: float, tokens: float) -> None:
        """So many rows are done, counted from the first, and so many tokens since the beginning."""
        self._done, self._tokens = max(self._done, rows), max(self._tokens, tokens)

    def estimate(self, rows: float) -> None:
        """There may be about so many rows. What is shown changes only if it was wrong by some percents."""
        if self._is_exact or (self._total is not None and abs(rows / self._total - 1) < _STEADY):
            return
        rounded = round(rows, _DIGITS - len(str(int(rows)))) if rows >= 10**_DIGITS else round(rows)
        self._total = int(rounded)
        if self._most is not None and rows >= self._most:
            self._total = self._most

    def exactly(self, rows: int) -> None:
        """There are so many rows."""
        self._total, self._is_exact = rows, True

    def __str__(self) -> str:
        return ", ".join(filter(None, (self._rows(), self._speed(), self._left(), self.note)))

    def _rows(self) -> str:
        if self._total is None and self._done == self._done_before:
            return "reading rows"
        if self._total is None or (self._done > self._total and not self._is_exact):
            return f"{int(self._done):,} rows"
        return rows_of(self._done, self._total, exact=self._is_exact or self._total == self._most)

    def _speed(self) -> str:
        return f"{self._tokens / max(self._clock() - self._begin, 1e-9):,.0f} tokens/s" if self._tokens else ""

    def _left(self) -> str:
        new = self._done - self._done_before
        if self._total is None or new <= 0 or self._done >= self._total:
            return ""
        return f"{in_words((self._clock() - self._begin) / new * (self._total - self._done))} left"


def rows_of(done: float, total: int, *, exact: bool) -> str:
    """How many rows of how many are done, as in `1,200 of about 20,000 rows (6%)`."""
    share = f" ({min(done / total, 1):.0%})" if total else ""
    return f"{int(done):,} of {'' if exact else 'about '}{total:,} rows{share}"


def in_words(seconds: float) -> str:
    """A duration as people say it: `12 s`, `3 min`, `2 h 5 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
