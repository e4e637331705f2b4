"""A plugin of pytest for measuring: durations, and lines of the programs that tests start.

Every program that a test starts says by PYTEST_CURRENT_TEST which test that was (coverage's configuration makes it the
context). In workers of pytest-xdist alone, as the session that starts these would be measured twice otherwise.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path

import pytest

CONFIGURATION = "MUTATION_COVERAGE"  # environment variable: coverage's configuration
TESTS = "MUTATION_TESTS"  # environment variable: the file of tests, durations and outcomes
found: dict[str, list[float | bool]] = defaultdict(lambda: [0.0, True])


def pytest_sessionstart(session: pytest.Session) -> None:
    if hasattr(session.config, "workerinput"):
        os.environ["COVERAGE_PROCESS_START"] = os.environ[CONFIGURATION]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    known = found[report.nodeid]
    known[0] += report.duration
    known[1] = known[1] and not report.failed


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):
        Path(os.environ[TESTS]).write_text(json.dumps(found), encoding="utf-8")
