"""Celery's worker program, run in this process with the process's own logs and signal handlers.

It uses what Celery documents for extensions: app.Worker, Celery's signals and a bootstep. How the connection to Redis
differs is in broker_connection.py. Import this late: Celery's worker takes a while to import.
"""

import threading
import warnings
from collections.abc import Sequence
from typing import Any

from celery import Celery, bootsteps, signals
from celery.exceptions import CPendingDeprecationWarning

from services.common.logs import log
from services.common.process.sigterm import finish_running_tasks
from services.common.tasks.broker_connection import drop_malformed, end_if_asked

_LOOK_EVERY_S = 0.5


def serve(app: Celery, name: str, queues: Sequence[str], at_once: int, stopping: threading.Event) -> int:
    """Run the tasks of `app` that wait in `queues`, `at_once` of them at a time, until NO_MORE_TASKS; the exit status.

    `name` is what Celery's tools call this worker, as service@host. Signals: see services/common/process/sigterm.py.
    """
    app.steps["worker"].add(_Stop)
    worker = app.Worker(
        hostname=name,
        queues=list(queues),
        concurrency=at_once,
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        stopping=stopping,
    )
    worker.start()
    return int(worker.exitcode or 0)


class _Stop(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
    """Has the worker stop as sigterm.py says: Celery would let a second SIGTERM pass, and print to stdout."""

    requires = ("celery.worker.components:Timer",)

    def __init__(self, worker: Any, stopping: threading.Event, **options: object) -> None:
        super().__init__(worker, **options)
        self._stopping = stopping

    def start(self, worker: Any) -> None:
        # At every reconnection Celery would announce a change of a later release.
        warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
        finish_running_tasks(self._stopping)
        worker.timer.call_repeatedly(_LOOK_EVERY_S, end_if_asked)


@signals.setup_logging.connect  # type: ignore[untyped-decorator]  # Celery has no types
def _keep_logs(**options: object) -> None:
    """Do nothing: Celery leaves logging alone where this signal has a receiver."""


@signals.worker_ready.connect  # type: ignore[untyped-decorator]
def _say_ready(sender: Any, **options: object) -> None:
    log("ready", queues=sorted(sender.app.amqp.queues.consume_from))


@signals.task_unknown.connect  # type: ignore[untyped-decorator]
def _unknown(name: str, **options: object) -> None:
    drop_malformed(
        f"a message for the task {name!r:.100} arrived, which this service doesn't have: "
        "run the same release of all services"
    )


@signals.task_rejected.connect  # type: ignore[untyped-decorator]
def _rejected(exc: Exception | None, **options: object) -> None:
    drop_malformed(f"a message can't be understood: {exc or 'it names no task'}")
