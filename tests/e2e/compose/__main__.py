"""Bring the whole stack up on a real engine, run the tests of this folder against it, and take everything down again.

    python -m tests.e2e.compose [--keep] [arguments for pytest]

The stack is docker-compose.yml with the seaweedfs and demo overlays, as a project of its own: containers and volumes of
a stack that is in use aren't touched, but its ports must be free. Where docker has no engine, the script that
CONTAINER_ENGINE names is asked to start one. With --keep the stack is left running.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.e2e.compose.stack import ENVIRONMENT, REPOSITORY, compose

START_TIMEOUT_S = 300
ENGINE = "CONTAINER_ENGINE"


def main(arguments: list[str]) -> int:
    """The exit status: pytest's, or 2 if there is nothing to test."""
    keep = "--keep" in arguments
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what was started is taken down
    if not engine_is_there():
        print(
            "there is no container engine: install Docker with its compose plugin and start it, or name a script that "
            f"does in {ENGINE}",
            file=sys.stderr,
        )
        return 2
    try:
        status = bring_up() or run_tests([argument for argument in arguments if argument != "--keep"])
        if status:
            show_logs()
        return status
    finally:
        if not keep:
            compose("--progress", "quiet", "down", "--volumes", "--remove-orphans", "--timeout", "5", check=False)


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


def bring_up() -> int:
    """Build and start everything, and wait until it is healthy; the exit status."""
    begin = time.monotonic()
    built = compose("build", "--quiet", check=False).returncode
    if built:
        return built
    print(f"built in {time.monotonic() - begin:.0f} s", flush=True)
    command = ["--progress", "quiet", "up", "--detach", "--wait", "--wait-timeout", str(START_TIMEOUT_S)]
    return compose(*command, check=False).returncode


def run_tests(arguments: list[str]) -> int:
    """Run the tests of this folder; pytest's exit status."""
    command = [sys.executable, "-m", "pytest", str(Path(__file__).parent), *arguments]
    return subprocess.run(command, cwd=REPOSITORY, env=ENVIRONMENT, check=False).returncode


def show_logs() -> None:
    """Print what every service said."""
    sys.stdout.flush()
    compose("ps", "--all", check=False)
    compose("logs", "--no-color", "--timestamps", "--tail", "200", check=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
