"""The services as real processes around a real Redis and a real S3 server, and runs that are asked of them.

Tests kill, freeze and restart what they like; this file knows how things start and stop, not what must come of it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from services.common.celery_app import create_app
from services.common.messages import Message
from services.common.object_store import ObjectStore
from services.common.queue import CeleryQueue
from services.common.settings import Settings
from services.common.workspace import RunRequest, Workspace
from sparse_autoencoder.main import run
from sparse_autoencoder.runs import RunOptions
from sparse_autoencoder.store import DirectoryStore, Store
from tests.support.runs import World, make_world, one_thread
from tests.support.servers import RedisServer, S3Server

_REPOSITORY = Path(__file__).parents[2]
PATIENCE_S = 120.0


class Service:
    """One service process; its log is a file."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self._command = command
        self._environment = dict(environment)
        self._log = log
        self.start()

    def start(self) -> None:
        """Start it, again if it was ended."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=self._log.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """End it with SIGKILL, in the middle of whatever it does."""
        self.process.kill()
        self.process.wait()

    def stop(self, patience_s: float = PATIENCE_S) -> int:
        """End it with SIGTERM, and return its exit status."""
        self.process.terminate()
        return self.process.wait(patience_s)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    @property
    def log(self) -> str:
        """Everything it said."""
        return self._log.read_text(errors="replace")


class Cluster:
    """Service processes that share a Redis and a bucket."""

    def __init__(self, redis: RedisServer, s3: S3Server, folder: Path, data: Path, bucket: str, **more: str) -> None:
        self.redis = redis
        self.s3 = s3
        self._folder = folder
        self._services: list[Service] = []
        self._environment = {
            "SAESCOPE_REDIS_URL": redis.url,
            "SAESCOPE_S3_ENDPOINT": f"http://{s3.endpoint}",
            "SAESCOPE_S3_ACCESS_KEY": s3.access_key,
            "SAESCOPE_S3_SECRET_KEY": s3.secret_key,
            "SAESCOPE_S3_BUCKET": bucket,
            "SAESCOPE_DATA_FOLDER": str(data),
            "OMP_NUM_THREADS": "1",
        } | more
        self.settings = Settings(
            redis_url=redis.url,
            s3_endpoint=f"http://{s3.endpoint}",
            s3_access_key=s3.access_key,
            s3_secret_key=s3.secret_key,
            s3_bucket=bucket,
        )
        self.store: Store = ObjectStore.from_settings(self.settings)

    def start(self, module: str, **more: str) -> Service:
        """Start one service more, such as `services.encoder`."""
        environment = dict(os.environ) | {"PYTHONPATH": str(_REPOSITORY), "HOME": str(self._folder)}
        name = f"{module}-{len(self._services)}"
        service = Service(
            name,
            [sys.executable, "-m", module],
            environment | self._environment | more,
            self._folder / f"{name}.log",
        )
        self._services.append(service)
        return service

    def close(self) -> None:
        """End all services at once."""
        for service in self._services:
            service.process.kill()
        for service in self._services:
            service.process.wait()

    def submit(self, options: RunOptions, run_id: str) -> Workspace:
        """Ask for a run, as the API does."""
        space = Workspace(self.store, run_id)
        space.write_request(RunRequest(options=options, created_at=datetime.now(UTC).isoformat()))
        CeleryQueue(create_app(self.settings)).send(Message(task="ingest", run_id=run_id))
        return space

    def wait(self, condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
        """Return when the condition holds; AssertionError, with the services' logs, if it doesn't in time."""
        deadline = time.monotonic() + patience_s
        while not condition():
            assert time.monotonic() < deadline, f"it never came true that {what}\n{self.logs()}"
            time.sleep(0.05)

    def files(self, run_id: str) -> dict[str, bytes]:
        """A run's objects but for metadata.json, by their names."""
        prefix = f"{run_id}/"
        return {
            key.removeprefix(prefix): self.store.get(key)
            for key in self.store.list(prefix)
            if not key.endswith("/metadata.json")
        }

    def logs(self) -> str:
        """The ends of all services' logs."""
        return "\n".join(f"--- {service.name}\n{service.log[-3000:]}" for service in self._services)


@contextmanager
def cluster(redis: RedisServer, s3: S3Server, folder: Path, data: Path, bucket: str, **more: str) -> Iterator[Cluster]:
    """A cluster without services yet, on an empty bucket; all its services end with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Cluster(redis, s3, folder, data, bucket, **more)
    ObjectStore.from_settings(made.settings).create_bucket()
    try:
        yield made
    finally:
        made.close()


def data_folder(folder: Path, n_rows: int) -> World:
    """A tiny world in a data folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return make_world(folder, n_rows)


def reference(options: RunOptions, folder: Path) -> dict[str, bytes]:
    """The files, but for metadata.json, that one process leaves for these options."""
    with one_thread():
        metadata = run(options, DirectoryStore(folder))
    root = folder / metadata.run_id
    files = (path for path in sorted(root.rglob("*")) if path.is_file() and path.name != "metadata.json")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
