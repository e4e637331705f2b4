"""The interface Deadlines: a process whose work hangs logs what its threads are doing, and restarts itself."""

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.common.logs import log
from services.common.process.fresh_process import come_back_fresh
from sparse_autoencoder.utils.watchdog import Backstop, Watchdog, Work, all_threads


class ProcessDeadlines:
    """The interface Deadlines (dependency_interfaces.py) for a whole process; `end` must never return."""

    def __init__(self, end: Callable[[], object] = come_back_fresh) -> None:
        self._end = end
        self._lock = threading.Lock()
        self._watchdog: Watchdog | None = None
        self._expired: dict[Work, Callable[[], None]] = {}

    @contextmanager
    def watch(
        self, what: str, floor_s: float, usual_s: float, expired: Callable[[], None]
    ) -> Iterator[Callable[[], None]]:
        with self._started().watching(what, floor_s, usual_s) as work:
            self._expired[work] = expired
            try:
                yield work.moved
            finally:
                del self._expired[work]

    @property
    def overdue(self) -> list[str]:
        """The work that hangs: it has made no progress for too long."""
        return [work.what for work in list(self._expired) if work.expired]

    def _started(self) -> Watchdog:
        with self._lock:
            if self._watchdog is None:  # the thread is started with the first work
                self._watchdog = Watchdog(self._hung, backstop=Backstop(sys.stderr))
                self._watchdog.__enter__()
            return self._watchdog

    def _hung(self, work: Work) -> None:
        log(
            "work_hung",
            logging.ERROR,
            what=work.what,
            seconds=round(work.seconds),
            still_s=round(work.still_s),
            threads=all_threads(),
        )
        self._expired[work]()
        self._end()


DEADLINES = ProcessDeadlines()  # of this process
