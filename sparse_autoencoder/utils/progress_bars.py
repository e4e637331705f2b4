"""Progress bars on stderr. The work goes on when the program that reads stderr has ended."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

from tqdm import tqdm
from tqdm.utils import ObjectWrapper


class _IgnoresBrokenPipe(ObjectWrapper):
    """A stream that ignores BrokenPipeError.

    tqdm writes while it holds a lock, and doesn't release the lock when writing fails: the next thread that takes it
    would wait for ever.
    """

    def write(self, text: str) -> None:
        with suppress(BrokenPipeError):
            self._wrapped.write(text)

    def flush(self) -> None:
        with suppress(BrokenPipeError):
            self._wrapped.flush()


def say(text: str, *, last: bool = False) -> None:
    """Print a line on stderr, above the progress bars; the `last` line replaces them. Any thread may call this."""
    stream = _IgnoresBrokenPipe(sys.stderr)
    lock = tqdm.get_lock()  # type: ignore[no-untyped-call]
    with lock:
        bars = list(getattr(tqdm, "_instances", ()))  # tqdm has no such attribute before the first bar
        for bar in bars:
            bar.clear(nolock=True)
        stream.write(f"saescope: {text}\n")
        stream.flush()
        for bar in () if last else bars:
            bar.refresh(nolock=True)


def progress_bar(**settings: Any) -> tqdm[Any]:
    """A progress bar on stderr; `settings` are tqdm's."""
    return tqdm(file=_IgnoresBrokenPipe(sys.stderr), unit_scale=True, **settings)
