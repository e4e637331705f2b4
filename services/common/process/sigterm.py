"""What happens at SIGTERM and at SIGINT (Ctrl-C) in a worker process.

Before the process takes tasks, a signal ends it at once. While it takes tasks, the first signal makes it take no more;
those that run are told, give back what they were doing, and end. A second signal ends the process on the spot; its work
is recovered like that of a killed worker. The exit status is 0 after running tasks have ended, and 128 + the signal's
number where the signal itself ended the process.
"""

import os
import signal
import threading

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Set when this process is to take no more tasks, and to end when those that run are done: after a signal, or to come
# back fresh.
NO_MORE_TASKS = threading.Event()


def end_at_once() -> None:
    """From now on a signal ends the process at once, by SystemExit.

    Without a handler, the first process of a container would not receive SIGTERM at all.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, _exit)


def finish_running_tasks(stopping: threading.Event) -> None:
    """From now on a signal sets `stopping` and NO_MORE_TASKS, and a second one ends the process on the spot."""

    def finish(number: int, frame: object) -> None:
        for other in STOP_SIGNALS:
            signal.signal(other, _kill)
        NO_MORE_TASKS.set()
        stopping.set()

    for number in STOP_SIGNALS:
        signal.signal(number, finish)


def _exit(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


def _kill(number: int, frame: object) -> None:
    os._exit(128 + number)
