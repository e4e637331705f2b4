"""Log lines of the services: one JSON object a line on stderr, readable for people and programs.

Every line has time, level, service, host, pid and event; what a line is about (run, chunk, …) follows as fields. Other
packages' warnings and errors come out in the same form, with the logger's name. Nobody may pass a secret: this file
can't tell one from other text.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
from datetime import UTC, datetime
from typing import Any

from services.common.tasks.messages import Message

_LOGGER = logging.getLogger("saescope")


def configure_logs(service: str) -> None:
    """Send this process's log lines to stderr, as those of `service`; of other packages, warnings and errors only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(service))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(True)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it warns of every attempt that it repeats
    _LOGGER.setLevel(logging.INFO)


def log(event: str, level: int = logging.INFO, *, error: BaseException | None = None, **fields: object) -> None:
    """Write one line; `event` is the same few words for the same thing, what differs goes into `fields`.

    With an `error`, the line has its traceback.
    """
    _LOGGER.log(level, event, exc_info=error, extra={"fields": fields})


def about(message: Message) -> dict[str, Any]:
    """The fields of a line about a message: task, run and, if it has one, chunk."""
    fields: dict[str, Any] = {"task": message.task, "run": message.run_id}
    return fields if message.chunk is None else fields | {"chunk": message.chunk}


class _Lines(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._always = {"service": service, "host": socket.gethostname(), "pid": os.getpid()}

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **self._always,
            "event": record.getMessage().strip(),
        }
        if record.name != _LOGGER.name:
            line["logger"] = record.name
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)
