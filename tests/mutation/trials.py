"""One mutant against the tests that reach it, in a copy of the tree."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.mutation.drawing import Mutant, mutated
from tests.mutation.reach import Reach

Outcome = Literal["caught", "survived", "timed out", "not reached"]
_NOT_FOUND = re.compile(r"^ERROR: not found: \S*?(tests/\S+\.py::\w+)$", re.MULTILINE)
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+\.py(?:::\S.*?)?)(?: - .*)?$", re.MULTILINE)


class NotFoundError(Exception):
    """Pytest doesn't find these tests, because the mutant changes the names that their parameters have."""

    def __init__(self, tests: set[str]) -> None:
        self.tests = tests


@dataclass(frozen=True)
class Trial:
    """How a mutant fared."""

    outcome: Outcome
    by: str = ""  # the test that caught it
    tests: int = 0  # that were chosen
    left_out: int = 0  # that reach it too, for which there was no time


@dataclass(frozen=True)
class Bounds:
    """How much time one mutant gets."""

    tests_s: float  # of tests, as they took when lines were measured
    wall_s: float  # after which it is ended


def copy_tree(root: Path, tree: Path) -> None:
    """Copy what git knows of or would add, and the built viewer."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, tree / name)
    viewer = Path("services/viewer/dist")
    if (root / viewer).is_dir():
        shutil.copytree(root / viewer, tree / viewer, dirs_exist_ok=True)


def try_mutant(tree: Path, mutant: Mutant, reach: Reach, bounds: Bounds) -> Trial:
    """Run the tests that reach the mutant; a test that fails without it as well is left out."""
    reaching = reach.tests_of(mutant.file, mutant.lines)
    chosen = _within(reaching, reach, bounds.tests_s)
    text = mutated(tree, mutant)
    if not chosen or text is None:
        return Trial("not reached", left_out=len(reaching))
    path, broken = tree / mutant.file, set[str]()
    original = path.read_bytes()
    while True:
        tests = [test for test in chosen if test not in broken]
        if not tests:
            return Trial("not reached", left_out=len(reaching))
        path.write_text(text, encoding="utf-8")
        try:
            outcome, by = _run(tree, tests, bounds.wall_s)
        except NotFoundError as error:
            broken.update(test for test in tests if test.partition("[")[0] in error.tests)
            continue
        finally:
            path.write_bytes(original)
        if outcome != "caught" or by not in tests or _run(tree, [by], bounds.wall_s)[0] == "survived":
            return Trial(outcome, by, len(tests), len(reaching) - len(tests))
        broken.add(by)


def _within(tests: list[str], reach: Reach, seconds: float) -> list[str]:
    """As many of the first of these tests as fit, but at least one."""
    chosen: list[str] = []
    for test in tests:
        seconds -= reach.seconds[test]
        if seconds < 0 and chosen:
            break
        chosen.append(test)
    return chosen


def _run(tree: Path, tests: list[str], wall_s: float) -> tuple[Outcome, str]:
    """Run these tests until one fails; its name, if there is one."""
    listed = tree / ".mutation-tests"
    listed.write_text("\n".join(tests), encoding="utf-8")
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-rfE", "--tb=no", "-p", "no:cacheprovider"]
    command += ["--timeout", str(wall_s / 2), f"@{listed}"]
    environment = os.environ | {"PYTHONPATH": str(tree), "OMP_WAIT_POLICY": "PASSIVE", "COLUMNS": "1000"}
    process = subprocess.Popen(
        command,
        cwd=tree,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=wall_s)
    except subprocess.TimeoutExpired:
        return "timed out", ""
    finally:
        _end(process)
    return _outcome(process.returncode, output)


def _outcome(status: int, output: str) -> tuple[Outcome, str]:
    if status == 0:
        return "survived", ""
    if "Timeout (>" in output or "+ Timeout +" in output:
        return "timed out", ""
    if missing := set(_NOT_FOUND.findall(output)):
        raise NotFoundError(missing)
    found = _FAILED.search(output)
    if found is None and status in (3, 4, 5):  # pytest itself failed, or there are no such tests
        raise RuntimeError(f"pytest ended with {status}:\n{output[-2000:]}")
    return "caught", found[1] if found else f"pytest ended with {status}"


def _end(process: subprocess.Popen[str]) -> None:
    """End whatever the tests started, too."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
