"""The life of a worker process: logs, waiting for the servers, metrics, running tasks, ending.

What goes wrong in a task ends that task, never the process. This file knows nothing of what the tasks do.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from services.common import prometheus_metrics
from services.common.connections import real_workers, wait_for_servers
from services.common.interfaces import Service, UnavailableError
from services.common.logs import about, configure_logs, log
from services.common.process.fresh_process import FreshStart, come_back_fresh, fresh_starts, pause_before_work_s
from services.common.process.hang_deadlines import DEADLINES
from services.common.process.health_endpoint import serve_health
from services.common.redis.worker_presence import this_worker
from services.common.settings import Settings
from services.common.tasks.celery_app import create_app, task_name
from services.common.tasks.messages import Message, Task, parse_message
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.utils.failures import Failure, attempt, is_failure, reason

if TYPE_CHECKING:
    from celery import Celery

GAVE_UP = 2  # exit status
Handler = Callable[[Message], None]


def run_worker(
    name: Service,
    queues: Sequence[str],
    handlers: Mapping[Task, Handler],
    settings: Settings,
    *,
    at_once: int = 1,
    beside: Sequence[Callable[[], None]] = (),
    stopping: threading.Event | None = None,
    fresh: FreshStart | None = None,
) -> int:
    """Be the worker `name` until a signal; the exit status: 0 after that, GAVE_UP if it can't start, else 1.

    `handlers` do the tasks that wait in `queues`, `at_once` of them at a time, in threads; one may fail in any way.
    `beside` are run in threads of their own from when the servers answer; their failing ends the process. `stopping` is
    set at the first SIGTERM or SIGINT, which lets the running tasks finish; long ones had better look at it. If a
    handler asks for a `fresh` start, the process comes back as a new one after the running tasks.
    """
    configure_logs(name)
    fresh = fresh or FreshStart()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)  # as process 1 of a container it would otherwise not hear them
    if pause_s := pause_before_work_s(settings.longest_pause_s):
        log("waiting", reason="this process came back fresh", seconds=pause_s, times_in_a_row=fresh_starts())
        time.sleep(pause_s)
    try:
        wait_for_servers(settings)
        if settings.metrics_port:
            serve_health(settings.metrics_port, lambda: DEADLINES.overdue)
    except SaescopeError as error:
        log("can't start", logging.ERROR, problem=str(error))
        return GAVE_UP
    app = create_app(settings)
    for task, handler in handlers.items():
        _register(app, task, _unless_ending(handler, fresh))
    for work in beside:
        threading.Thread(target=_run_beside, args=(work,), daemon=True).start()

    from services.common.tasks.celery_consumer import serve  # Celery's worker is slow to import

    with real_workers(settings).present(name, this_worker()):
        status = serve(app, name, queues, at_once, stopping or threading.Event())
    if fresh.why is not None and not (stopping and stopping.is_set()):
        log("starting fresh", logging.WARNING, reason=fresh.why)
        come_back_fresh()
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
        prometheus_metrics.BAD_MESSAGES.inc()
        log("bad message", logging.ERROR, problem=str(error))
        return
    try:
        done = attempt(lambda: handler(message), passing=(UnavailableError,))
    except UnavailableError as error:
        prometheus_metrics.UNAVAILABLE.inc()
        log("unavailable", logging.WARNING, **about(message), problem=str(error))
        return
    if isinstance(done, Failure):  # whatever it is must end neither the process nor other runs
        log("task failed", logging.ERROR, error=done.error, **about(message), problem=done.reason)


def _unless_ending(handler: Handler, fresh: FreshStart) -> Handler:
    """A handler that does nothing once the process is to come back fresh, and sees to it that it then ends."""

    def handle(message: Message) -> None:
        if fresh.why is None:
            try:
                handler(message)
            finally:
                if fresh.why is not None:
                    _stop_soon()
        # else the watch sends it again

    return handle


def _stop_soon() -> None:
    from services.common.tasks.celery_consumer import stop_soon  # Celery's worker is slow to import

    stop_soon()


def _register(app: Celery, task: Task, handler: Handler) -> None:
    def run(*args: object, **kwargs: object) -> None:  # Celery passes on whatever a message says
        handle(task, handler, args[0] if len(args) == 1 and not kwargs else [*args, kwargs])

    app.task(run, name=task_name(task))


def _run_beside(work: Callable[[], None]) -> None:
    try:
        work()
    except BaseException as error:
        if not is_failure(error):
            raise
        log("process failed", logging.ERROR, error=error, problem=reason(error))
        os._exit(1)  # half a service would look like a whole one; what the task was doing is recovered elsewhere


def _leave(number: int, frame: object) -> None:
    raise SystemExit(128 + number)
