"""Progress bars that nobody needs to watch: what reads them may end, and the work goes on."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

from tqdm import tqdm
from tqdm.utils import ObjectWrapper


class _WhileItIsRead(ObjectWrapper):
    """A stream, whose readers may be gone.

    tqdm writes while it holds a lock, which it doesn't give back when that fails: whoever asks for it next would wait
    for ever.
    """

    def write(self, text: str) -> None:
        with suppress(BrokenPipeError):
            self._wrapped.write(text)

    def flush(self) -> None:
        with suppress(BrokenPipeError):
            self._wrapped.flush()


def say(text: str, *, last: bool = False) -> None:
    """A line on stderr, above the progress bars; in their place, if it is the last one. For any thread."""
    stream = _WhileItIsRead(sys.stderr)
    lock = tqdm.get_lock()  # type: ignore[no-untyped-call]
    with lock:
        bars = list(getattr(tqdm, "_instances", ()))  # there is none before the first bar
        for bar in bars:
            bar.clear(nolock=True)
        stream.write(f"saescope: {text}\n")
        stream.flush()
        for bar in () if last else bars:
            bar.refresh(nolock=True)


def progress_bar(**settings: Any) -> tqdm[Any]:
    """A progress bar on stderr, with tqdm's settings."""
    return tqdm(file=_WhileItIsRead(sys.stderr), unit_scale=True, **settings)
