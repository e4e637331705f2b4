"""Bring the whole stack up on a real engine, run the tests of this folder against it, and take everything down again.

    python -m tests.e2e.compose [--keep] [arguments for pytest]

The stack is docker-compose.yml with the demo overlay, as a project of its own and without an .env: first with
SeaweedFS, then as it is by default, with MinIO, if the engine can have its image. Containers and volumes of a stack
that is in use aren't touched, but its ports must be free. Where docker has no engine, the script that CONTAINER_ENGINE
names is asked to start one. With --keep the stack with SeaweedFS is left running, and the other one not tested.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.e2e.compose.stack import REPOSITORY, UNDER_TEST, bring_up, compose

ENGINE = "CONTAINER_ENGINE"
PULL_TIMEOUT_S = 300


def main(arguments: list[str]) -> int:
    """The exit status: the first of pytest's that isn't 0, or 2 if there is nothing to test."""
    keep = "--keep" in arguments
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what was started is taken down
    if not engine_is_there():
        print(
            "there is no container engine: install Docker with its compose plugin and start it, or name a script that "
            f"does in {ENGINE}",
            file=sys.stderr,
        )
        return 2
    arguments = [argument for argument in arguments if argument != "--keep"]
    status = test("seaweedfs", arguments, keep=keep)
    if status or keep:
        return status
    problem = why_no_minio()
    if problem:
        print(f"not tested: the default, with MinIO, as this engine can't have its image ({problem})", flush=True)
        return 0
    return test("minio", arguments, keep=False)


def test(stack: str, arguments: list[str], *, keep: bool) -> int:
    """Bring one of the stacks up, test it, and take it down; the exit status."""
    os.environ[UNDER_TEST] = stack
    print(f"the stack with {stack}:", flush=True)
    try:
        status = build() or start() or run_tests(arguments)
        if status:
            show_logs()
        return status
    finally:
        if not keep:
            compose("--progress", "quiet", "down", "--volumes", "--remove-orphans", "--timeout", "5", check=False)


def why_no_minio() -> str:
    """Why the engine can't have MinIO's image, which takes a registry; empty if it can."""
    dockerfile = (REPOSITORY / "infra" / "minio.Dockerfile").read_text(encoding="utf-8")
    (image,) = re.findall(r"^ARG MINIO_IMAGE=(\S+)$", dockerfile, flags=re.MULTILINE)
    if subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode == 0:
        return ""
    try:
        pulled = subprocess.run(
            ["docker", "pull", "--quiet", image], capture_output=True, text=True, check=False, timeout=PULL_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {PULL_TIMEOUT_S} s"
    return "" if pulled.returncode == 0 else pulled.stderr.strip().rpartition("\n")[2] or "docker pull failed"


def engine_is_there() -> bool:
    """Whether docker and its compose plugin answer, if need be after starting an engine."""
    if answers():
        return True
    script = os.environ.get(ENGINE)
    if not script:
        return False
    if not Path(script).is_file():
        print(f"{ENGINE} names {script}, and there is no such file", file=sys.stderr)
        return False
    return subprocess.run([script], check=False).returncode == 0 and answers()


def answers() -> bool:
    """Whether docker has an engine and a compose plugin."""
    if shutil.which("docker") is None:
        return False
    commands = (["docker", "version"], ["docker", "compose", "version"])
    return all(subprocess.run(command, capture_output=True, check=False).returncode == 0 for command in commands)


def build() -> int:
    """Build all images; the exit status."""
    begin = time.monotonic()
    status = compose("build", "--quiet", check=False).returncode
    if not status:
        print(f"built in {time.monotonic() - begin:.0f} s", flush=True)
    return status


def start() -> int:
    """Start everything, and wait until it is healthy; the exit status."""
    try:
        bring_up()
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


def run_tests(arguments: list[str]) -> int:
    """Run the tests of this folder; pytest's exit status."""
    command = [sys.executable, "-m", "pytest", str(Path(__file__).parent), *arguments]
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}  # torch's threads here share the cores with containers
    return subprocess.run(command, cwd=REPOSITORY, env=environment, check=False).returncode


def show_logs() -> None:
    """Print what every service said."""
    sys.stdout.flush()
    compose("ps", "--all", check=False)
    compose("logs", "--no-color", "--timestamps", "--tail", "200", check=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
