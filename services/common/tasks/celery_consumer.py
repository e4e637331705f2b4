"""What the services change in Celery's worker: quick reconnection, entries that make no sense, signals, quiet.

This file knows nothing of the tasks. It is apart from worker.py because importing Celery's worker takes a while.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Sequence
from typing import Any

from celery import Celery
from celery.apps.worker import Worker
from celery.worker import state
from celery.worker.consumer import Consumer

from services.common import prometheus_metrics
from services.common.logs import log

# Seconds between attempts to reconnect: the first, how much each adds, the longest. Celery's are 2, 2 and 30, so that
# it could stay away for half a minute after Redis is back.
RECONNECT_S = (0.2, 0.2, 2.0)
# What kombu raises for an entry that isn't its JSON; left alone, most of it would end the worker.
_NONSENSE = (ValueError, TypeError, LookupError, AttributeError)


def serve(app: Celery, name: str, queues: Sequence[str], at_once: int, stopping: threading.Event) -> int:
    """Run the app's tasks in this process, `at_once` of them at a time, until a signal; the exit status.

    The first SIGTERM or SIGINT sets `stopping` and lets the running tasks finish; a second one ends the process on the
    spot, and what was being done is recovered like that of a killed worker.
    """
    worker = _QuietWorker(
        app=app,
        hostname=f"{name}@{os.getpid()}",
        queues=list(queues),
        concurrency=at_once,
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.stopping = stopping
    worker.start()
    return int(worker.exitcode or 0)


def stop_soon() -> None:
    """Have the worker of this process take no more tasks, and end when those that run are done."""
    state.should_stop = 0  # the exit status; Celery's loop looks at it at least once a second


class QuickConsumer(Consumer):  # type: ignore[misc]  # Celery has no types
    """Celery's consumer; it reconnects quickly, and drops and counts what it can't understand."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.connection_errors += _NONSENSE  # those that lead to a reconnection

    def ensure_connected(self, conn: Any) -> Any:
        """As Celery's, without end, and with RECONNECT_S."""
        failures: list[Exception] = []

        def failed(error: Exception, interval_s: float) -> None:
            if not failures:
                log("redis lost", logging.WARNING, problem=str(error))
            failures.append(error)

        conn.ensure_connection(failed, None, *RECONNECT_S, callback=state.maybe_shutdown)
        if failures:
            log("redis back", attempts=len(failures) + 1)
        self.first_connection_attempt = False
        return conn

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """As Celery's; an entry that kombu couldn't read is gone from the queue by now."""
        if isinstance(exc, _NONSENSE):
            _drop(f"an entry of a queue is no message: {type(exc).__name__}: {exc}")
        super().on_connection_error_after_connected(exc)

    def call_soon_ack(self, p: Callable[..., None], logger: logging.Logger, errors: tuple[type[Exception], ...]) -> Any:
        """As Celery's; but that an acknowledgement failed leads to a reconnection, as it does for everything else.

        Celery would log it alone. To kombu the message is then still being worked on, so no other is taken; and as
        none is asked for, nobody notices that the connection is gone: the worker would be quiet for ever.
        """

        def acknowledge() -> None:
            p(logger, () if state.should_stop is None else errors)

        return super().call_soon_ack(acknowledge)

    def on_unknown_message(self, body: object, message: Any) -> None:
        """An entry that names no task."""
        self._reject(message, f"a message names no task: {message.body!r:.200}")

    def on_unknown_task(self, body: object, message: Any, exc: Exception) -> None:
        """A message for a task that this service doesn't have."""
        self._reject(
            message,
            f"a message for the task {message.headers['task']!r:.100} arrived, which this service doesn't have: "
            "run the same release of all services",
        )

    def on_invalid_task(self, body: object, message: Any, exc: Exception) -> None:
        """A message that isn't in Celery's form."""
        self._reject(message, f"a message can't be understood: {exc}")

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """A message whose body can't be read."""
        self._reject(message, f"a message can't be decoded: {exc}")

    def _reject(self, message: Any, problem: str) -> None:
        _drop(problem)
        message.reject()


def _drop(problem: str) -> None:
    prometheus_metrics.BAD_MESSAGES.inc()
    log("bad message", logging.ERROR, problem=problem)


class _QuietWorker(Worker):  # type: ignore[misc]  # Celery has no types
    """Celery's worker program with the process's own logs and signals instead of Celery's."""

    stopping: threading.Event

    def setup_logging(self, colorize: bool | None = None) -> bool:
        return True

    def install_platform_tweaks(self, worker: Worker) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._finish)

    def on_consumer_ready(self, consumer: Consumer) -> None:
        super().on_consumer_ready(consumer)
        log("ready", queues=sorted(self.app.amqp.queues.consume_from))

    def stop(self, in_sighandler: bool = False, exitcode: int | None = None) -> None:
        log("stopping")
        super().stop(in_sighandler, exitcode)

    def _finish(self, number: int, frame: object) -> None:
        for other in (signal.SIGTERM, signal.SIGINT):
            signal.signal(other, _leave)
        stop_soon()
        self.stopping.set()


def _leave(number: int, frame: object) -> None:
    os._exit(128 + number)
