"""`python -m …` processes that needn't import other people's packages: a fork server has imported them once.

Importing PyTorch takes longer than what a service does in most tests. A process that comes from here is one like any
other: its arguments, environment and folder are its own, it imports saescope itself, and it can be killed. Only
OMP_NUM_THREADS is what it was when the server started, which is 1.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path

_PACKAGES = ["torch", "pyarrow.parquet", "tokenizers", "safetensors.torch", "pydantic", "cachetools"]
_PACKAGES += ["celery.worker", "celery.apps.worker", "celery.concurrency.thread", "kombu.transport.redis"]
_PACKAGES += ["minio", "redis", "starlette.applications", "uvicorn", "prometheus_client"]


class ForkedProcess:
    """A process that runs a module as its main program, with the methods of subprocess.Popen that tests use."""

    def __init__(self, module: Sequence[str], env: Mapping[str, str], cwd: Path, log: Path) -> None:
        log.touch()
        arguments = (list(module), dict(env), str(cwd), str(log))
        # a daemon isn't waited for when pytest ends
        self._process = _server().Process(target=_be, args=arguments, daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, when it has ended; TimeoutExpired if it doesn't in time."""
        self._process.join(timeout)
        status = self._process.exitcode
        if status is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0.0)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


@cache
def _server() -> ForkServerContext:
    """The fork server of this test process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PACKAGES)
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        forkserver.ensure_running()
    finally:
        del os.environ["OMP_NUM_THREADS"]
        if before is not None:
            os.environ["OMP_NUM_THREADS"] = before
    return context


def _be(module: list[str], env: dict[str, str], cwd: str, log: str) -> None:
    """Become that program."""
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    with Path(os.devnull).open("rb") as nothing, Path(log).open("ab") as said:
        for number, file in enumerate((nothing, said, said)):
            os.dup2(file.fileno(), number)
    sys.argv = module
    sys.orig_argv = [sys.executable, "-m", *module]
    runpy.run_module(module[0], run_name="__main__", alter_sys=True)
