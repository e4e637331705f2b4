"""A wheel built from a copy of the sources, and empty environments that it is installed in.

It takes minutes and several hundred megabytes of packages, so `make test` leaves this folder out, and `make test-wheel`
sets the variable without which it is skipped silently.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.serving import REPOSITORY

UNDER_TEST = "TEST_WHEEL"
BUILD_TIMEOUT_S = 600
CONSTRAINTS = REPOSITORY / "constraints.txt"


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave the tests out unless they are asked for."""
    return True if collection_path.name.startswith("test_") and UNDER_TEST not in os.environ else None


@pytest.fixture(autouse=True)
def _no_python_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be imported from the clone."""
    monkeypatch.delenv("PYTHONPATH", raising=False)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built where there is no Node.js but the one that the build asks for."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (REPOSITORY / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / "source" / name)
    (folder / "bin").mkdir()
    (folder / "bin" / "sh").symlink_to(str(shutil.which("sh")))
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(folder), str(folder / "source")]
    run(pip, PATH=str(folder / "bin"))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment with the wheel and nothing that it doesn't ask for."""
    programs = new_environment(tmp_path_factory.mktemp("base"))
    run([programs / "python", "-m", "pip", "install", "-c", CONSTRAINTS, wheel])
    return programs


@pytest.fixture(scope="session")
def with_run(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment with the wheel and its extra `run`."""
    programs = new_environment(tmp_path_factory.mktemp("with-run"))
    build = "cpu" if sys.platform == "linux" else "pypi"
    run([sys.executable, REPOSITORY / "infra" / "install_torch.py", build, programs / "python"])
    run([programs / "python", "-m", "pip", "install", "-c", CONSTRAINTS, f"{wheel}[run]"])
    return programs


def new_environment(folder: Path) -> Path:
    """Make an empty virtual environment; the folder of its programs."""
    venv.create(folder, with_pip=True)
    return folder / "bin"


def run(command: Sequence[str | Path], **environment: str) -> None:
    """Run a program to its end; RuntimeError with what it printed if it fails."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=REPOSITORY,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command} ended with {done.returncode}; it printed:\n{done.stdout}{done.stderr}")
