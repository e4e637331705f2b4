"""The project's own tests of what runs on any device, with this device as their parameter; where pytest is there."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from importlib.util import find_spec
from pathlib import Path

from benchmarks.gpu.part_settings import Situation

REPOSITORY = Path(__file__).resolve().parents[2]
DEVICES = "tests.support.devices"  # which tests of what runs on any device import
NEEDED = ("pytest", "pytest_timeout", "hypothesis")
_SHOWN = 12  # failures


def files_of_tests() -> list[str]:
    """The files of tests of what runs on any device, as pytest takes them."""
    files = sorted((REPOSITORY / "tests" / "unit").rglob("test_*.py"))
    return [str(file) for file in files if DEVICES in file.read_text(encoding="utf-8")]


def own_tests(situation: Situation) -> None:
    """Run them; one check for each file, and one for each test that failed."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        situation.report.skip("the tests", f"{', '.join(missing)} not installed")
        return
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "tests.xml"
        # what a test finds is what counts here, not a warning that another version of a package gives
        command = [sys.executable, "-m", "pytest", "-q", "-W", "default", "-p", "no:cacheprovider"]
        command += ["--hypothesis-profile=short", "-k", situation.device, f"--junitxml={found}"]
        environment = os.environ | {"HYPOTHESIS_STORAGE_DIRECTORY": folder}
        done = subprocess.run([*command, *files_of_tests()], cwd=REPOSITORY, env=environment, check=False)
        if not found.exists():
            situation.report.check("pytest says what it found", False, f"exit status {done.returncode}")
            return
        cases = list(ElementTree.parse(found).iter("testcase"))
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = sum(case.find("skipped") is not None for case in cases)
    passed = len(cases) - len(failed) - skipped
    situation.report.check(
        "the project's tests on this device",
        not failed and passed > 0,
        f"{passed} passed, {len(failed)} failed, {skipped} skipped",
    )
    for case in failed[:_SHOWN]:
        node = case.find("failure")
        node = case.find("error") if node is None else node
        detail = " ".join((node.get("message") or "" if node is not None else "").split())[:500]
        situation.report.check(f"{case.get('classname')}::{case.get('name')}", False, detail)
