"""The stack under test, as its user commands it: by `docker compose` and over its two ports.

Knows the command line, the ports and the API's paths; nothing of what is in the containers but the settings by which a
run's files are read from the store.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[3]
UNDER_TEST = "STACK_UNDER_TEST"
VIEWER = "http://127.0.0.1:1234"
API = "http://127.0.0.1:8765"
START_TIMEOUT_S = 300
RUN_TIMEOUT_S = 240.0
FINISHED = ("complete", "completed_with_errors", "failed", "cancelled")
OVERLAYS = {  # the stacks that are tested, by the S3 server that they have
    "seaweedfs": ("infra/compose.seaweedfs.yml", "infra/compose.demo.yml"),
    "minio": ("infra/compose.demo.yml",),
}
SETTINGS = {
    "COMPOSE_PROJECT_NAME": "saescope-test",
    "COMPOSE_PATH_SEPARATOR": ":",
    "COMPOSE_ENV_FILES": os.devnull,  # as in a fresh clone, and not the developer's own .env
    "ENCODER_MEMORY": "1500m",
}

# Runs in a container that knows the store: a tar of a run's files on standard output.
_TAR = """
import io, sys, tarfile
from services.common.object_store import ObjectStore
from services.common.settings import read_settings
store = ObjectStore.from_settings(read_settings(), sys.argv[1] + "/")
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as tar:
    for key in store.list():
        data = store.get(key)
        entry = tarfile.TarInfo(key)
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
"""


def compose(
    *arguments: str, check: bool = True, capture: bool = False, settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run `docker compose` on the stack under test, with settings as .env would have them."""
    files = {"COMPOSE_FILE": ":".join(["docker-compose.yml", *OVERLAYS[os.environ[UNDER_TEST]]])}
    return subprocess.run(
        ["docker", "compose", *arguments],
        cwd=REPOSITORY,
        env=os.environ | SETTINGS | files | dict(settings or {}),
        check=check,
        capture_output=capture,
    )


def bring_up(**settings: str) -> None:
    """Start what isn't running or has other settings, and wait until everything is healthy."""
    wait = ["--detach", "--wait", "--wait-timeout", str(START_TIMEOUT_S)]
    compose("--progress", "quiet", "up", *wait, settings=settings)


def inside(service: str, *command: str) -> bytes:
    """What a command prints that runs in a service's (first) container."""
    return compose("exec", "--no-TTY", service, *command, capture=True).stdout


@contextmanager
def paused(service: str) -> Iterator[None]:
    """Have a service's containers stand still in the block."""
    compose("--progress", "quiet", "pause", service)
    try:
        yield
    finally:
        compose("--progress", "quiet", "unpause", service)


def ask(path: str, body: dict[str, Any] | None = None) -> Any:
    """The API's answer to GET, or to POST if there is a body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(API + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.loads(response.read())


def start_run(options: dict[str, Any]) -> str:
    """Submit a run; its id."""
    return str(ask("/api/runs", options)["id"])


def wait_for_run(run_id: str) -> dict[str, Any]:
    """A run's entry, once it has ended."""
    deadline = time.monotonic() + RUN_TIMEOUT_S
    while True:
        entry: dict[str, Any] = ask(f"/api/runs/{run_id}")
        if entry["status"] in FINISHED:
            return entry
        assert time.monotonic() < deadline, f"run {run_id} didn't end within {RUN_TIMEOUT_S} s: {entry}"
        time.sleep(0.5)


def published(run_id: str) -> dict[str, bytes]:
    """Everything that the store holds of a run, by name."""
    packed = inside("api", "python", "-c", _TAR, run_id)
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        members = {member.name: tar.extractfile(member) for member in tar}
    return {name: file.read() for name, file in members.items() if file is not None}
