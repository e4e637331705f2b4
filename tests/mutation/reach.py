"""Which tests reach which line, and how long they take: measured once, kept in the work folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from coverage import CoverageData, CoverageException

from tests.mutation.processes import CONFIGURATION, TESTS

_CONFIGURATION = """
[run]
source_dirs =
    {tree}/sparse_autoencoder
    {tree}/services
data_file = {folder}/data/lines
context = ${{PYTEST_CURRENT_TEST-}}
concurrency = thread, greenlet
patch = fork, _exit
sigterm = true
parallel = true
disable_warnings =
    no-data-collected, module-not-measured, couldnt-parse, already-imported, module-not-imported, no-sysmon
"""


@dataclass
class Reach:
    """The tests that pass, their seconds, and the lines that they reach."""

    seconds: dict[str, float]  # of a test by its node id
    lines: dict[str, dict[int, set[str]]] = field(default_factory=dict)  # file, line: tests, or files of tests

    def tests_of(self, file: str, lines: Iterable[int]) -> list[str]:
        """The tests that reach one of these lines: by file, the fastest file first."""
        reached = set().union(*(self.lines.get(file, {}).get(line, set()) for line in lines))
        tests = sorted(test for test in self.seconds if test in reached or _file(test) in reached)
        files = [list(of_file) for _, of_file in groupby(tests, key=_file)]
        files.sort(key=lambda tests: sum(self.seconds[test] for test in tests))
        return [test for tests in files for test in tests]


def _file(test: str) -> str:
    return test.partition("::")[0]


def measure(tree: Path, folder: Path, tests: Sequence[str]) -> int:
    """Run `tests` with coverage into `folder`; returns pytest's status."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    configuration = folder / "coverage.ini"
    configuration.write_text(_CONFIGURATION.format(tree=tree, folder=folder), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "--timeout", "3600"]
    command += ["-p", "no:cacheprovider", "-p", "tests.mutation.processes"]
    command += ["--cov", f"--cov-config={configuration}", "--cov-context=test", "--cov-report=", *tests]
    environment = os.environ | {
        "PYTHONPATH": str(tree),
        "OMP_WAIT_POLICY": "PASSIVE",
        CONFIGURATION: str(configuration),
        TESTS: str(folder / "tests.json"),
    }
    return subprocess.run(command, cwd=tree, env=environment).returncode


def read(folders: Iterable[Path]) -> Reach:
    """What was measured into these folders."""
    reach = Reach({})
    for folder in folders:
        for test, (seconds, passed) in json.loads((folder / "tests.json").read_text(encoding="utf-8")).items():
            if passed:
                reach.seconds[test] = seconds
        for path in sorted((folder / "data").glob("lines*")):
            _add_lines(reach, path)
    return reach


def _add_lines(reach: Reach, path: Path) -> None:
    data = CoverageData(str(path))
    try:
        data.read()
    except CoverageException:  # of a process that was killed while it wrote this file
        return
    for measured in data.measured_files():
        parts = Path(measured).parts
        start = max(index for index, part in enumerate(parts) if part in ("sparse_autoencoder", "services"))
        lines = reach.lines.setdefault("/".join(parts[start:]), {})
        for line, contexts in data.contexts_by_lineno(measured).items():
            lines.setdefault(line, set()).update(_tests(context) for context in contexts if context)


def _tests(context: str) -> str:
    """The test that a context stands for, or its whole file: a file's tests share what one of them set up."""
    for phase in (" (call)", "|run"):
        if context.endswith(phase):
            return context.removesuffix(phase)
    return _file(context)
