"""The command `saescope` as a process that serves a page. Knows the command line and what it prints, no run's files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

START_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 20.0
REPOSITORY = Path(__file__).parents[2]
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
SAESCOPE = str(Path(sys.executable).with_name("saescope"))


@contextmanager
def serving(*arguments: str | Path, program: str | Path = SAESCOPE, folder: Path = REPOSITORY) -> Iterator[str]:
    """The address of the page that `saescope ARGUMENTS`, started in a folder, serves until the context ends."""
    process = _Serving([str(program), *map(str, arguments), "--port", "0"], folder)
    try:
        yield process.wait_until_up()
    finally:
        process.stop()


def summarise(*arguments: str | Path, folder: Path = REPOSITORY) -> None:
    """Make a run in a folder as `saescope run ARGUMENTS` does; RuntimeError if that fails.

    It runs in this process, as starting another one takes longer than the small runs of tests.
    """
    from services import cli  # imports torch

    with chdir(folder):
        status = cli.main(["run", *map(str, arguments)])
    if status != 0:
        raise RuntimeError(f"saescope run ended with {status}")


class _Serving:
    """A serving command with what it printed so far."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._command = command
        self._printed: list[str] = []
        self._ready_or_ended = threading.Event()
        self._url: str | None = None
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        # the pipe is read to its end: a full one would stop the server
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._printed.append(line)
            if self._url is None and ADDRESS.fullmatch(line.strip()):
                self._url = line.strip()
                self._ready_or_ended.set()
        self._ready_or_ended.set()

    def wait_until_up(self) -> str:
        """The page's address, once the command has printed it."""
        self._ready_or_ended.wait(START_TIMEOUT_S)
        if self._url is None:
            raise RuntimeError(f"{self._command} didn't come up; it printed:\n" + "".join(self._printed[-50:]))
        return self._url

    def stop(self) -> None:
        """End the process, by force if it doesn't end on request."""
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(STOP_TIMEOUT_S)
        if self._process.stdout is not None:
            self._process.stdout.close()
