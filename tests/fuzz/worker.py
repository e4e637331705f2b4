"""The process that tries inputs, so that one that hangs or takes too much memory can be ended."""

from __future__ import annotations

import importlib
import multiprocessing
import resource
import sys
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

TOO_LONG_S = 60.0
MOST_BYTES = 1 << 30
_SCALE = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


class Worker:
    """The process that tries inputs, one seed after the other."""

    def __init__(self, target: str, folder: Path, seed: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._results, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_work, args=(target, folder, seed, theirs))
        self._process.start()
        theirs.close()
        self.memory = 0

    def next(self) -> str | None:
        """What is wrong with the next input; None if nothing is."""
        if not self._results.poll(TOO_LONG_S):
            return f"it takes more than {TOO_LONG_S:g} s"
        try:
            problem: str | None
            problem, self.memory = self._results.recv()
        except EOFError:
            self._process.join()
            return f"the process ended with status {self._process.exitcode}"
        if problem is None and self.memory > MOST_BYTES:
            return f"it takes {self.memory >> 20} MiB"
        return problem

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()


def _work(target: str, folder: Path, seed: int, results: Connection) -> None:
    try_one = importlib.import_module(f"tests.fuzz.{target}").try_one
    while True:
        problem = None
        for entry in folder.iterdir():
            entry.unlink()
        try:
            try_one(folder, seed)
        except Exception:
            problem = traceback.format_exc()
        results.send((problem, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _SCALE))
        seed += 1
