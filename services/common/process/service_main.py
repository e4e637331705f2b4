"""What the `__main__` of every worker service does alike: settings, and tasks whose troubles are noted for people.

This file knows nothing of what the tasks do.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

from services.common import prometheus_metrics
from services.common.attempt_rule import AttemptRule, FailedAttempt
from services.common.interfaces import Dependencies, Notes, Service, UnavailableError
from services.common.logs import log
from services.common.redis.worker_presence import this_worker
from services.common.settings import Settings, read_settings
from services.common.tasks.messages import Message
from services.common.tasks.worker import GAVE_UP, Handler
from sparse_autoencoder.errors import SaescopeError


def run_with_settings(main: Callable[[Settings], int]) -> int:
    """Run a service with the environment's settings; each that is wrong is a sentence on stderr, and status 2."""
    try:
        settings = read_settings()
    except SaescopeError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"saescope: {line}\n")
        return GAVE_UP
    return main(settings)


def attempt_rule(deps: Dependencies, service: Service, stopping: Callable[[], bool]) -> AttemptRule:
    """A worker's attempts at things; each that fails is logged with its traceback."""

    def report(reported: FailedAttempt) -> None:
        prometheus_metrics.FAILED_ATTEMPTS.labels(service).inc()
        failure = reported.failure
        log(
            "attempt_failed",
            logging.ERROR,
            error=failure.error,
            run=reported.run_id,
            what=reported.what,
            problem=failure.reason,
        )

    return AttemptRule(deps, service, this_worker(), report, stopping)


def with_run_notes(handler: Handler, notes: Notes) -> Handler:
    """A handler that leaves a note for whoever looks at the run when store, queue or leases are unavailable."""

    def handle(message: Message) -> None:
        try:
            handler(message)
        except UnavailableError as error:
            notes.note(message.run_id, str(error))
            raise

    return handle
