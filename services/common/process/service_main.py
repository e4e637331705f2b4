"""What the `__main__` of every worker service shares: reading settings, logging failed attempts, notes on runs."""

import logging
import sys
from collections.abc import Callable

from services.common import prometheus_metrics
from services.common.attempt_rule import AttemptRule, FailedAttempt
from services.common.dependency_interfaces import Dependencies, Notes, Service, UnavailableError
from services.common.logs import log
from services.common.redis.worker_presence import this_worker
from services.common.settings import Settings, read_settings
from services.common.tasks.messages import Message
from services.common.tasks.worker_process import GAVE_UP, Handler
from sparse_autoencoder.errors import SaescopeError


def run_with_settings(main: Callable[[Settings], int]) -> int:
    """Run `main` with the environment's settings; status 2 and a sentence on stderr for each setting that is wrong."""
    try:
        settings = read_settings()
    except SaescopeError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"saescope: {line}\n")
        return GAVE_UP
    return main(settings)


def attempt_rule(deps: Dependencies, service: Service, stopping: Callable[[], bool]) -> AttemptRule:
    """The attempt rule of this process; each failed attempt is counted, and logged with its traceback."""

    def report(failed: FailedAttempt) -> None:
        prometheus_metrics.FAILED_ATTEMPTS.labels(service).inc()
        failure = failed.failure
        log(
            "attempt_failed",
            logging.ERROR,
            error=failure.error,
            run=failed.run_id,
            what=failed.what,
            problem=failure.reason,
        )

    return AttemptRule(deps, service, this_worker(), report, stopping)


def with_run_notes(handler: Handler, notes: Notes) -> Handler:
    """The handler, which also shows on the run's page when the store or Redis can't be used."""

    def handle(message: Message) -> None:
        try:
            handler(message)
        except UnavailableError as error:
            notes.note(message.run_id, str(error))
            raise

    return handle
