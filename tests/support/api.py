"""The API on real servers for tests: its world, an HTTP server in a thread, event streams, runs at different stages.

Tests play the workers: they write a run's files as those would. This file knows no models.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import urllib3
import uvicorn
from starlette.applications import Starlette

from services.api.http.server import ApiServer, listening_socket
from services.api.runs.run_entries import Backend
from services.common.dependency_interfaces import Dependencies, Service, UnavailableError
from services.common.object_store import ObjectStore
from services.common.real_dependencies import real_dependencies, workers_in_redis
from services.common.redis.why_runs_wait import RunNotes
from services.common.run_workspace import Workspace, now
from services.common.settings import Settings, read_settings
from services.common.tasks.messages import Message, Task
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.store import DirectoryStore, Store
from tests.support.servers import RedisServer, S3Server, environment_of
from tests.support.waiting import wait_until as wait_until

PATIENCE_S = 60.0
BUCKET = "runs"


@dataclass(frozen=True)
class Servers:
    """A real Redis and a real S3 server."""

    redis: RedisServer
    s3: S3Server

    def environment(self, **more: str) -> dict[str, str]:
        """The services' settings."""
        return environment_of(self.redis, self.s3, **{"SAESCOPE_S3_BUCKET": BUCKET} | more)

    def settings(self) -> Settings:
        """The same as settings, with short leases, so that a Redis that is away is noticed soon."""
        return read_settings(self.environment(SAESCOPE_LEASE_S="2"))

    def backend(self, prefix: str, data_folder: Path) -> Backend:
        """Services on these servers whose runs have names of their own in the bucket."""
        settings = self.settings()
        store = ObjectStore.from_settings(settings, prefix)
        store.create_bucket()
        world = replace(real_dependencies(settings), store=store)
        return Backend(world, RunNotes(settings.redis_url), data_folder)


class _NoQueue:
    def send(self, message: Message) -> None:
        raise UnavailableError("there is no queue")

    def waiting(self, task: Task) -> set[Message]:
        raise UnavailableError("there is no queue")


def backend_without_servers(store: Store, data_folder: Path) -> Backend:
    """Services on a store that may be a directory, whose Redis is away: nothing waits for it."""
    settings = Settings(redis_url="redis://127.0.0.1:1/0", s3_access_key="nobody", s3_secret_key="nothing")
    world = replace(real_dependencies(settings), store=store, queue=_NoQueue())
    return Backend(world, RunNotes(settings.redis_url), data_folder)


@contextmanager
def serving(app: Starlette, port: int = 0) -> Iterator[str]:
    """An application of `create_app` on a port of this machine; its address."""
    with served_by(ApiServer(app), port) as url:
        yield url


@contextmanager
def served_by(server: uvicorn.Server, port: int = 0) -> Iterator[str]:
    """A server in a thread of its own; its address."""
    with listening_socket("127.0.0.1", port) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def running(servers: Servers, *services: Service) -> Iterator[None]:
    """Have a worker of each of these services say that it is alive."""
    workers = workers_in_redis(servers.settings())
    with ExitStack() as present:
        for service in services:
            present.enter_context(workers.present(service, "host/1"))
        wait_until(lambda: all(workers.alive(service) for service in services))
        yield


@dataclass(frozen=True)
class Event:
    """A server-sent event, or a comment, whose name is empty."""

    name: str
    entry: Any = None


@contextmanager
def listening(url: str, run_id: str, headers: dict[str, str] | None = None) -> Iterator[Iterator[Event]]:
    """The events of a run as they arrive."""
    response = urllib3.PoolManager().request(
        "GET",
        f"{url}/api/runs/{run_id}/events",
        headers=headers,
        preload_content=False,
        timeout=PATIENCE_S,
        retries=False,
    )
    with closing(response):
        assert response.status == 200, response.data
        yield _events(response)


def _events(lines: Iterator[bytes]) -> Iterator[Event]:
    name = ""
    for line in lines:
        if line.startswith(b": "):
            yield Event("")
        elif line.startswith(b"event: "):
            name = line.removeprefix(b"event: ").decode().strip()
        elif line.startswith(b"data: "):
            yield Event(name, json.loads(line.removeprefix(b"data: ")))


def make_finished(store: Store, finished: Path, run_id: str, **changes: Any) -> None:
    """Give a run the published files of another that is in a folder, and finish it as the aggregator does."""
    source = DirectoryStore(finished.parent)
    space = Workspace(store, run_id)
    for key in source.list(f"{finished.name}/"):
        name = key.partition("/")[2]
        if name != "metadata.json":
            store.put(f"{run_id}/{name}", source.get(key))
    metadata = metadata_of(finished, run_id, **changes)
    space.folder.write_metadata(metadata)
    space.sweep(metadata)


def metadata_of(run: Path, run_id: str, **changes: Any) -> RunMetadata:
    """A finished run's metadata as those of another."""
    metadata = RunMetadata.model_validate_json((run / "metadata.json").read_bytes())
    return metadata.model_copy(update={"run_id": run_id, "finished_at": now(), **changes})


def waiting(world: Dependencies) -> list[str]:
    """The runs for which an ingest message waits."""
    return sorted(message.run_id for message in world.queue.waiting("ingest"))
