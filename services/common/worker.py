"""The life of a worker process: logs, waiting for the servers, metrics, running tasks, ending.

What goes wrong in a task ends that task, never the process. This file knows nothing of what the tasks do.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from services.common import metrics
from services.common.celery_app import create_app, task_name
from services.common.logs import about, configure_logs, log
from services.common.messages import Message, Task, parse_message
from services.common.ports import UnavailableError
from services.common.settings import Settings
from services.common.world import wait_for_servers
from sparse_autoencoder.errors import SaescopeError

if TYPE_CHECKING:
    from celery import Celery

GAVE_UP = 2  # exit status
Handler = Callable[[Message], None]


def run_worker(
    name: str,
    queues: Sequence[str],
    handlers: Mapping[Task, Handler],
    settings: Settings,
    *,
    at_once: int = 1,
    beside: Sequence[Callable[[], None]] = (),
    stopping: threading.Event | None = None,
) -> int:
    """Be the worker `name` until a signal; the exit status: 0 after that, GAVE_UP if it can't start, else 1.

    `handlers` do the tasks that wait in `queues`, `at_once` of them at a time, in threads; one may fail in any way.
    `beside` are run in threads of their own from when the servers answer; their failing ends the process. `stopping` is
    set at the first SIGTERM or SIGINT, which lets the running tasks finish; long ones had better look at it.
    """
    configure_logs(name)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)  # as process 1 of a container it would otherwise not hear them
    try:
        wait_for_servers(settings)
        if settings.metrics_port:
            metrics.serve_metrics(settings.metrics_port)
    except SaescopeError as error:
        log("can't start", logging.ERROR, problem=str(error))
        return GAVE_UP
    app = create_app(settings)
    for task, handler in handlers.items():
        _register(app, task, handler)
    for work in beside:
        threading.Thread(target=_run_beside, args=(work,), daemon=True).start()

    from services.common.celery_worker import serve  # Celery's worker is slow to import

    status = serve(app, name, queues, at_once, stopping or threading.Event())
    log("stopped", status=status)
    return status


def handle(task: Task, handler: Handler, content: object) -> None:
    """Do one task, whose message is in `content`; whatever happens is logged, and nothing raised.

    What failed isn't tried again here: the watch sends again what is missing.
    """
    try:
        message = parse_message(content)
        if message.task != task:
            raise SaescopeError(f"a message of the task {message.task} arrived as one of {task}: {message}")
    except SaescopeError as error:
        metrics.BAD_MESSAGES.inc()
        log("bad message", logging.ERROR, problem=str(error))
        return
    try:
        handler(message)
    except UnavailableError as error:
        metrics.UNAVAILABLE.inc()
        log("unavailable", logging.WARNING, **about(message), problem=str(error))
    except Exception as error:  # whatever it is must end neither the process nor other runs
        log("task failed", logging.ERROR, traceback=True, **about(message), problem=str(error))


def _register(app: Celery, task: Task, handler: Handler) -> None:
    def run(*args: object, **kwargs: object) -> None:  # Celery passes on whatever a message says
        handle(task, handler, args[0] if len(args) == 1 and not kwargs else [*args, kwargs])

    app.task(run, name=task_name(task))


def _run_beside(work: Callable[[], None]) -> None:
    try:
        work()
    except Exception as error:
        log("process failed", logging.ERROR, traceback=True, problem=str(error))
        os._exit(1)  # half a service would look like a whole one; what the task was doing is recovered elsewhere


def _leave(number: int, frame: object) -> None:
    raise SystemExit(128 + number)
