"""The services as real processes around a real Redis and a real S3 server, and runs that are asked of them.

Tests kill, freeze and restart what they like; this file knows how things start and stop, not what must come of it.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.common.logs import Event
from services.common.object_store import ObjectStore
from services.common.run_json_files import RunRequest
from services.common.run_workspace import Workspace
from services.common.settings import read_settings
from services.common.tasks.celery_app import create_app
from services.common.tasks.celery_queue import CeleryQueue
from services.common.tasks.messages import Message
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.runs.folder_layout import run_ids
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import DirectoryStore, Store
from tests.support.forked import ForkedProcess
from tests.support.proxy import S3Proxy
from tests.support.runs import World, files_of, make_world, one_thread
from tests.support.servers import RedisServer, S3Server, environment_of, redis_server, s3_server

_REPOSITORY = Path(__file__).parents[2]
PATIENCE_S = 120.0
_POLL_S = 0.1
INGEST, ENCODER, AGGREGATOR = "services.ingest", "services.encoder", "services.aggregator"
TINY_ROWS = 240  # in 12 chunks
# A worker that was killed is noticed within 3 s instead of 15, the state is saved after every few chunks, and a worker
# that starts fresh again and again hardly waits.
QUICK = {
    "SAESCOPE_LEASE_S": "2",
    "SAESCOPE_REAP_EVERY_S": "0.5",
    "SAESCOPE_SAVE_EVERY_S": "0.1",
    "SAESCOPE_LONGEST_PAUSE_S": "0.2",
}


class Service:
    """One service process; its log is a file."""

    def __init__(self, name: str, module: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self._module = module
        self._environment = dict(environment)
        self._log = log
        self.start()

    def start(self) -> None:
        """Start it, again if it was ended."""
        self.process = ForkedProcess(self._module, self._environment, self._log.parent, self._log)

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
    def folder(self) -> Path:
        """The folder in which it runs."""
        return self._log.parent

    @property
    def log(self) -> str:
        """Everything it said."""
        return self._log.read_text(errors="replace")

    @property
    def running(self) -> bool:
        """Whether it was neither ended nor ended by itself."""
        return self.process.poll() is None

    def said(self, event: Event, **fields: object) -> list[dict[str, Any]]:
        """The lines of its log with this event and these fields, in order."""
        lines = [json.loads(line) for line in self.log.splitlines() if line.startswith("{") and line.endswith("}")]
        wanted = {"event": event} | fields
        return [line for line in lines if wanted.items() <= line.items()]


class Cluster:
    """Service processes that share a Redis and a bucket."""

    def __init__(self, redis: RedisServer, s3: S3Server, folder: Path, data: Path, bucket: str, **more: str) -> None:
        self.redis = redis
        self.s3 = s3
        self.data = data
        self._folder = folder
        self._services: list[Service] = []
        self._runs = 0
        servers = environment_of(redis, s3, SAESCOPE_S3_BUCKET=bucket)
        self._environment = servers | {"SAESCOPE_DATA_FOLDER": str(data), "OMP_NUM_THREADS": "1"} | more
        self.settings = read_settings(servers)
        self.store: Store = ObjectStore.from_settings(self.settings)

    @property
    def running(self) -> list[Service]:
        """The services that run."""
        return [service for service in self._services if service.running]

    def run_only(self, *modules: str) -> list[Service]:
        """Have one process of each of these services, new ones or such as run already, and no others."""
        found: dict[str, Service] = {}
        for service in self.running:
            if service.name in modules and service.name not in found:
                found[service.name] = service
            else:
                service.kill()
        return [found.get(module) or self.start(module) for module in modules]

    def start_behind(self, proxy: S3Proxy, module: str) -> Service:
        """Start one service more, whose store is reached through a proxy."""
        return self.start(module, SAESCOPE_S3_ENDPOINT=f"http://{proxy.endpoint}")

    def start_twice(self, module: str) -> Service:
        """Start one service more, which sends every message twice."""
        return self._start(f"{module}, twice", ["tests.support.twice", module], {})

    def start(self, module: str, *arguments: str, **more: str) -> Service:
        """Start one service more, such as `services.encoder`, with arguments and settings of its own."""
        return self._start(f"{module}, changed" if more else module, [module, *arguments], more)

    def _start(self, name: str, module: list[str], more: dict[str, str]) -> Service:
        environment = dict(os.environ) | {"PYTHONPATH": str(_REPOSITORY), "HOME": str(self._folder)}
        service = Service(
            name,
            module,
            environment | self._environment | more,
            self._folder / f"{module[0]}-{len(self._services)}.log",
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
        assert space.create_request(RunRequest(options=options, created_at=datetime.now(UTC).isoformat()))
        CeleryQueue(create_app(self.settings)).send(Message(task="ingest", run_id=run_id))
        return space

    def new_run(self, options: RunOptions) -> Workspace:
        """Ask for a run under a new id."""
        self._runs += 1
        return self.submit(options, f"20260101-000000_run-{self._runs:03d}")

    def cancel_unfinished(self) -> None:
        """Have nobody work on the runs that there are, if they aren't finished."""
        for run_id in run_ids(self.store):
            space = Workspace(self.store, run_id)
            if space.active():
                space.stop("cancelled")

    def finish(self, space: Workspace) -> dict[str, bytes]:
        """Wait until a run is finished and cleaned up, and return its files but for metadata.json."""
        self.wait(lambda: space.finished() or space.stopped() is not None, "the run is finished")
        assert space.stopped() is None, space.stopped()
        last = [space.folder.plan, space.folder.key("request.json")]  # to be removed; the second only at the first time
        self.wait(lambda: not any(map(self.store.list, last)), "the run is cleaned up")
        return self.files(space.folder.run_id)

    def wait(self, condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
        """Return when the condition holds; AssertionError, with the services' logs, if it doesn't in time."""
        deadline = time.monotonic() + patience_s
        while not condition():
            assert time.monotonic() < deadline, f"it never came true that {what}\n{self.logs()}"
            time.sleep(_POLL_S)

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
        return "\n".join(
            f"--- {service.name} (status {service.process.poll()})\n{service.log[-3000:]}" for service in self._services
        )


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


@contextmanager
def tiny_cluster(folder: Path, disk: Path | None = None, **more: str) -> Iterator[Cluster]:
    """A cluster with servers of its own, and the tiny world in its data folder; the store is on `disk`."""
    data = folder / "data"
    data.mkdir()
    make_world(data, TINY_ROWS)
    with (
        redis_server(folder / "redis") as redis,
        s3_server(disk or folder / "s3") as s3,
        cluster(redis, s3, folder / "services", data, "runs", **QUICK | more) as made,
    ):
        yield made


def tiny_options(**changes: Any) -> RunOptions:
    """A run in the tiny world of any cluster's data folder."""
    return World(Path("subject"), Path("topk.pt"), Path("relu.pt"), Path("rows.jsonl")).options(**changes)


@functools.cache
def expected_files(**changes: Any) -> dict[str, bytes]:
    """The files, but for metadata.json, that one process leaves of such a run."""
    with tempfile.TemporaryDirectory() as name:
        world = make_world(Path(name) / "world", TINY_ROWS)
        paths = {"autoencoder": str(world.rows.parent / changes["autoencoder"])} if "autoencoder" in changes else {}
        return reference(world.options(**changes | paths), Path(name) / "runs")


def reference(options: RunOptions, folder: Path) -> dict[str, bytes]:
    """The files, but for metadata.json, that one process leaves for these options."""
    with one_thread():
        metadata = run(options, DirectoryStore(folder))
    return files_of(folder / metadata.run_id)
