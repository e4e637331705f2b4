"""The life of a worker process: configure logs, wait for the servers, serve metrics, run tasks, end or come back fresh.

An error in a task ends that task, never the process.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from services.common import prometheus_metrics
from services.common.dependency_interfaces import Service, UnavailableError
from services.common.logs import about, configure_logs, log
from services.common.process.fresh_process import FreshStart, come_back_fresh, fresh_starts, pause_before_work_s
from services.common.process.hang_deadlines import DEADLINES
from services.common.process.health_endpoint import serve_health
from services.common.process.sigterm import NO_MORE_TASKS, end_at_once
from services.common.real_dependencies import wait_for_servers, workers_in_redis
from services.common.redis.worker_presence import this_worker
from services.common.settings import Settings
from services.common.tasks.celery_app import create_app, task_name
from services.common.tasks.messages import Message, Task, parse_message
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.utils.failure_rule import Failure, attempt, is_failure, reason

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
    """Run the worker `name` until it is told to stop; the exit status: 0 then, GAVE_UP if it can't start, else 1.

    `handlers` do the tasks that wait in `queues`, `at_once` at a time, in threads; a handler may raise anything.
    `beside` run in threads of their own once the servers answer; if one raises, the process ends. `stopping` is set at
    the first SIGTERM or SIGINT, so that long tasks can end early. If a handler asks for a `fresh` start, the process
    restarts itself after the running tasks.
    """
    configure_logs(name)
    fresh = fresh or FreshStart()
    end_at_once()
    if pause_s := pause_before_work_s(settings.longest_pause_s):
        log("restart_delayed", reason="this process came back fresh", seconds=pause_s, times_in_a_row=fresh_starts())
        time.sleep(pause_s)
    try:
        wait_for_servers(settings)
        if settings.metrics_port:
            serve_health(settings.metrics_port, lambda: DEADLINES.overdue)
    except SaescopeError as error:
        log("start_failed", logging.ERROR, problem=str(error))
        return GAVE_UP
    app = create_app(settings)
    for task, handler in handlers.items():
        _register(app, task, _unless_ending(handler, fresh))
    for work in beside:
        threading.Thread(target=_run_beside, args=(work,), daemon=True).start()

    from services.common.tasks.celery_worker import serve  # Celery's worker is slow to import

    with workers_in_redis(settings).present(name, this_worker()):
        status = serve(app, f"{name}@{this_worker()}", queues, at_once, stopping or threading.Event())
    if fresh.why is not None and not (stopping and stopping.is_set()):
        log("process_restarting", logging.WARNING, reason=fresh.why)
        come_back_fresh()
    log("stopped", status=status)
    return status


def handle(task: Task, handler: Handler, content: object) -> None:
    """Do one task, with the message in `content`; whatever goes wrong is logged, and nothing is raised.

    Nothing is tried again here: the reconcile loop requeues what is missing.
    """
    try:
        message = parse_message(content)
        if message.task != task:
            raise SaescopeError(f"a message of the task {message.task} arrived as one of {task}: {message}")
    except SaescopeError as error:
        prometheus_metrics.BAD_MESSAGES.inc()
        log("malformed_message", logging.ERROR, problem=str(error))
        return
    try:
        done = attempt(lambda: handler(message), passing=(UnavailableError,))
    except UnavailableError as error:
        prometheus_metrics.UNAVAILABLE.inc()
        log("server_unavailable", logging.WARNING, **about(message), problem=str(error))
        return
    if isinstance(done, Failure):  # it must end neither the process nor the work on other runs
        log("task_failed", logging.ERROR, error=done.error, **about(message), problem=done.reason)


def _unless_ending(handler: Handler, fresh: FreshStart) -> Handler:
    """The handler, which stops the worker once a fresh start is asked for; then it does nothing any more."""

    def handle(message: Message) -> None:
        if fresh.why is None:
            try:
                handler(message)
            finally:
                if fresh.why is not None:
                    NO_MORE_TASKS.set()
        # else the reconcile loop requeues it

    return handle


def _register(app: Celery, task: Task, handler: Handler) -> None:
    def run(*args: object, **kwargs: object) -> None:  # Celery passes on any arguments that a message has
        handle(task, handler, args[0] if len(args) == 1 and not kwargs else [*args, kwargs])

    app.task(run, name=task_name(task))


def _run_beside(work: Callable[[], None]) -> None:
    try:
        work()
    except BaseException as error:
        if not is_failure(error):
            raise
        log("background_work_failed", logging.ERROR, error=error, problem=reason(error))
        os._exit(1)  # else the process would look healthy; the running tasks are recovered like a killed worker's
