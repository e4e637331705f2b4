"""What signals do to a run in one process: SIGTERM stops it like Ctrl-C, Ctrl-Z pauses it without ending it.

Ctrl-C raises KeyboardInterrupt in the main thread. The run takes that between batches, saves its state and ends
(pipeline/run_ending.py). The services' processes have handlers of their own.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sparse_autoencoder.utils.watchdog import Backstop


@contextmanager
def stopping_cleanly() -> Iterator[None]:
    """Handle SIGTERM and SIGTSTP (Ctrl-Z) in this block; in other threads than the main one nothing is changed."""
    if threading.current_thread() is not threading.main_thread():  # which can't set handlers
        yield
        return
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, signal.default_int_handler)}
    if hasattr(signal, "SIGTSTP"):  # not on Windows
        before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, lambda *_: _stop_until_continued())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop_until_continued() -> None:
    """Stop the process as Ctrl-Z does, without the backstop, whose time would go on; the watchdog sets it again."""
    with Backstop.lock:
        Backstop.disarm()
        signal.raise_signal(signal.SIGSTOP)
