"""Worker processes whose tasks do what the messages' run ids say, to be killed and restarted by tests.

`python -m tests.support.workers QUEUE…` is one, with settings from the environment, in a folder where each of its tasks
leaves a line. This file knows nothing of the real tasks.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import redis
from celery import Celery

from services.common.dependency_interfaces import UnavailableError
from services.common.logs import Event
from services.common.redis.worker_presence import WORKER_PREFIX
from services.common.settings import Settings, read_settings
from services.common.tasks.celery_app import create_app
from services.common.tasks.messages import Message
from services.common.tasks.worker_process import run_worker
from tests.support.forked import ForkedProcess
from tests.support.waiting import PATIENCE_S, wait_until

_KEPT_BY_CELERY = {
    b"_kombu.binding.celery",
    b"_kombu.binding_permanent.celery",
    b"_kombu.binding.celery.pidbox",
    b"_kombu.binding_deadlines",
}
_POLL_S = 0.01
_REPOSITORY = Path(__file__).parents[2]


def queue_app(redis_url: str) -> Celery:
    """The services' Celery app on a Redis; it has no store."""
    return create_app(Settings(redis_url=redis_url, s3_access_key="user", s3_secret_key="password"))


def chunk(run_id: str, number: int = 0) -> Message:
    """A message to the queue `encode`."""
    return Message(task="encode", run_id=run_id, chunk=number)


class WorkerProcess:
    """A worker process on some queues, in a folder; its log is read from there."""

    def __init__(self, folder: Path, queues: Sequence[str], environment: Mapping[str, str]) -> None:
        self._log = folder / f"worker-{time.monotonic_ns()}.log"
        own = {"PYTHONPATH": str(_REPOSITORY), **environment}
        self.process = ForkedProcess(
            ["tests.support.workers", *queues], {**os.environ, **own}, cwd=folder, log=self._log
        )

    def lines(self) -> list[dict[str, Any]]:
        """Its log so far."""
        whole = self._log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def said(self, event: Event) -> list[dict[str, Any]]:
        """The lines of an event."""
        return [line for line in self.lines() if line["event"] == event]

    def wait_for(self, event: Event) -> dict[str, Any]:
        """The first line of an event, when it is there; AssertionError, with its log, if it doesn't come."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := self.said(event)):
            assert self.process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(_POLL_S)
        return found[0]

    def text(self) -> str:
        """Everything it printed."""
        return self._log.read_text()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait, and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


def done(folder: Path) -> list[str]:
    """`<run id> <chunk>` of each task that came to its end, in order."""
    return noted(folder, "done")


def messages_in_redis(client: redis.Redis) -> set[bytes]:
    """The keys that messages are in; what says that a worker is alive isn't one, nor what Celery keeps."""
    keys = cast("Iterator[bytes]", client.scan_iter())
    return {key for key in keys if not key.startswith(WORKER_PREFIX.encode())} - _KEPT_BY_CELERY


def noted(folder: Path, name: str) -> list[str]:
    """`<run id> <chunk>` of each task that is `done`, or of the slow ones that have `begun`."""
    path = folder / name
    return path.read_text().splitlines() if path.exists() else []


Start = Callable[..., WorkerProcess]  # (*queues, ready=True, **environment): tests/integration/conftest.py


@contextmanager
def worker_process(folder: Path, queues: Sequence[str], environment: Mapping[str, str]) -> Iterator[WorkerProcess]:
    """A worker process, gone at the end of the block."""
    worker = WorkerProcess(folder, queues, environment)
    try:
        yield worker
    finally:
        worker.process.kill()
        worker.process.wait()


def _work(message: Message) -> None:
    kind = message.run_id.partition("-")[0]
    if kind == "unavailable":
        raise UnavailableError("the store is away")
    if kind == "broken":
        raise ZeroDivisionError("a mistake")
    if kind == "slow":  # until the test says so
        _note("begun", message)
        wait_until(lambda: Path("go").exists())
    _note("done", message)


def _note(name: str, message: Message) -> None:
    with Path(name).open("a") as file:
        file.write(f"{message.run_id} {message.chunk}\n")


def main() -> int:
    """Be a worker on the queues that the command line names."""
    stopping = threading.Event()

    def beside() -> None:
        if os.environ.get("BESIDE") == "broken":
            raise ZeroDivisionError("a mistake beside")
        stopping.wait()
        Path("stopping").touch()

    settings = read_settings()
    return run_worker(
        "encoder",
        sys.argv[1:],
        {"encode": _work, "ingest": _work, "aggregate": _work},
        settings,
        at_once=int(os.environ.get("AT_ONCE", "1")),
        beside=[beside],
        stopping=stopping,
    )


if __name__ == "__main__":
    sys.exit(main())
