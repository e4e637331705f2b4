"""Log lines of the services: one JSON object a line on stderr, for people and for log collectors.

Every line has time, level, service, host, pid and event; what the line is about (run, chunk, …) follows as fields, and
what went wrong is a sentence in the field `problem`. Dashboards and alerts select lines by their event, so an event
keeps its name. Warnings and errors of other packages come out in the same form, with the logger's name. Never log a
secret: nothing here removes it.
"""

import json
import logging
import os
import socket
import sys
from datetime import UTC, datetime
from typing import Any, Literal

from services.common.tasks.messages import Message

Event = Literal[
    # a process, from its start to its end
    "restart_delayed",  # it came back fresh, and waits before it works again
    "waiting_for_servers",  # at the start: Redis or the store can't be used yet
    "start_failed",
    "ready",
    "process_recovered",  # a task worked again after the process had come back fresh
    "process_restarting",  # it ends and comes back as a fresh process
    "work_hung",  # a piece of work made no progress in time, so the process comes back fresh
    "background_work_failed",  # work beside the tasks raised, so the process ends
    "stopping",
    "stopped",
    # servers
    "redis_disconnected",
    "redis_reconnected",
    "server_unavailable",  # a task ended because Redis or the store could not be used; it will be requeued
    "conditional_writes_ignored",  # the S3 server ignores If-None-Match
    # tasks
    "malformed_message",  # it could not be understood, and was dropped
    "task_failed",  # by a mistake in the code; failures that are expected are attempts
    "attempt_failed",
    "task_requeued",  # the reconcile loop found work that nobody does
    "reconcile_failed",  # for one run, or for all of them; the next pass tries again
    # runs
    "first_run_started",
    "first_run_failed",
    "source_read",
    "chunk_encoded",
    "weights_computed",  # what follows from the weights is in the run's folder
    "chunk_failed",  # after its last attempt: its rows are missing
    "cutoffs_unreadable",  # a chunk was encoded without them, which only makes its partial larger
    "chunk_merged",
    "state_damaged",
    "run_finished",
    # questions to runs' models
    "question_answered",
    "question_dropped",  # nobody waited for its answer any more
    "question_refused",  # its answer is a problem
    # anything that another package says
    "library_message",
]

_LOGGER = logging.getLogger("saescope")


def configure_logs(service: str) -> None:
    """Send this process's log lines to stderr, as those of `service`; of other packages, warnings and errors only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines(service))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(True)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it warns of each request that it sends again
    _LOGGER.setLevel(logging.INFO)


def log(event: Event, level: int = logging.INFO, *, error: BaseException | None = None, **fields: object) -> None:
    """Write one line, with the traceback of `error` if there is one."""
    _LOGGER.log(level, event, exc_info=error, extra={"fields": fields})


def about(message: Message) -> dict[str, Any]:
    """The fields that say which task, run and chunk a line is about."""
    fields: dict[str, Any] = {"task": message.task, "run": message.run_id}
    return fields if message.chunk is None else fields | {"chunk": message.chunk}


class _JsonLines(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._always = {"service": service, "host": socket.gethostname(), "pid": os.getpid()}

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **self._always,
        }
        if record.name == _LOGGER.name:
            line |= {"event": record.getMessage()} | getattr(record, "fields", {})
        else:
            event: Event = "library_message"
            line |= {"event": event, "logger": record.name, "message": record.getMessage().strip()}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)
