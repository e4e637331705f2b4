"""What several integration tests start from: a tiny world, servers of each test file's own, and services on those."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
from celery import Celery

from services.common.tasks.celery_queue import CeleryQueue
from sparse_autoencoder.pipeline import chunk_attempts
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.api import Servers
from tests.support.commands import small_run
from tests.support.oracle_cases import POLICIES, Case, case_of
from tests.support.proxy import S3Proxy, s3_proxy
from tests.support.reference import Reference
from tests.support.runs import World, make_world, one_thread
from tests.support.servers import RedisServer, S3Server, environment_of, redis_server, s3_server
from tests.support.services import Cluster, tiny_cluster
from tests.support.workers import Start, WorkerProcess, queue_app, worker_process


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A tiny random language model, autoencoders for it, and a dataset."""
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def quick() -> Iterator[None]:
    """One thread, which is fastest for tiny models, and hardly a pause before a failed chunk is tried again."""
    with one_thread(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunk_attempts, "PAUSE_S", 0.01)
        yield


@pytest.fixture(scope="module")
def reference(world: World) -> Reference:
    """What Hugging Face's GPT-2 and the autoencoders' formulas make of the tiny world's rows."""
    return Reference(world)


@pytest.fixture(scope="module", params=POLICIES, ids=lambda policy: "-".join(map(str, policy)))
def case(
    request: pytest.FixtureRequest, world: World, reference: Reference, tmp_path_factory: pytest.TempPathFactory
) -> Case:
    """A run by each token policy, with what is expected of it."""
    return case_of(world, reference, tmp_path_factory.mktemp("runs"), request.param)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command is called, and runs go."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    root = tmp_path_factory.mktemp("runs")
    return root / small_run(DirectoryStore(root), tmp_path_factory.mktemp("source"))


# Servers


@pytest.fixture(scope="module")
def running_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis, with what the tests before left in it."""
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server, with what the tests before left in it."""
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="module")
def servers(running_redis: RedisServer, s3: S3Server) -> Servers:
    """Both, as the API and its tests use them."""
    return Servers(running_redis, s3)


@pytest.fixture
def server(running_redis: RedisServer) -> RedisServer:
    """An empty Redis."""
    running_redis.flush()
    return running_redis


@pytest.fixture
def client(server: RedisServer) -> Iterator[redis.Redis]:
    """A plain client of the empty Redis."""
    with redis.Redis.from_url(server.url) as client:
        yield client


# Services


@pytest.fixture
def app(server: RedisServer) -> Celery:
    """The services' Celery app on the empty Redis."""
    return queue_app(server.url)


@pytest.fixture
def queue(app: Celery) -> CeleryQueue:
    """The services' queue in the empty Redis."""
    return CeleryQueue(app)


@pytest.fixture
def start(tmp_path: Path, server: RedisServer, s3: S3Server) -> Iterator[Start]:
    """Starts workers on `encode` in `tmp_path`; they are gone after the test."""
    with ExitStack() as stack:

        def start(*queues: str, ready: bool = True, **other: str) -> WorkerProcess:
            environment = environment_of(server, s3, **other)
            worker = stack.enter_context(worker_process(tmp_path, queues or ("encode",), environment))
            if ready:
                worker.wait_for("ready")
            return worker

        yield start


@pytest.fixture(scope="module")
def running_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Services around servers of their own, with what the tests before left running."""
    with tiny_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(running_cluster: Cluster) -> Iterator[Cluster]:
    """The same; a run that a test leaves unfinished is none of the next test's business."""
    yield running_cluster
    running_cluster.cancel_unfinished()


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[S3Proxy]:
    """A proxy in front of the cluster's store."""
    with s3_proxy(cluster.s3.endpoint) as proxy:
        yield proxy
