"""Which of PyTorch's builds is installed, with pip as it is, and wheels in a folder that are torch by name only."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[3] / "infra" / "install_torch.py"


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """The interpreter of an empty environment without pip."""
    venv.create(tmp_path / "venv")
    return tmp_path / "venv" / "bin" / "python"


def offer(folder: Path, version: str) -> None:
    """Put a wheel of torch into the folder that pip looks into."""
    info = f"torch-{version}.dist-info"
    with zipfile.ZipFile(folder / f"torch-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("torch.py", "")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"torch.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


def install(build: str, python: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Start the program where torch is pinned to 1.2.3; pip has no index, and looks into the folder alone."""
    (folder / "constraints.txt").write_text("torch==1.2.3\n")
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": os.devnull}
    return subprocess.run(
        [sys.executable, PROGRAM, build, python],
        cwd=folder,
        env={"PATH": os.environ["PATH"]} | offline,
        capture_output=True,
        text=True,
    )


def installed(python: Path) -> str:
    program = "import importlib.metadata; print(importlib.metadata.version('torch'))"
    return subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(("build", "version"), [("cu130", "1.2.3+cu130"), ("pypi", "1.2.3")])
def test_the_build_that_is_named_is_installed(tmp_path: Path, python: Path, build: str, version: str) -> None:
    for offered in ("1.2.3", "1.2.3+cpu", "1.2.3+cu130"):
        offer(tmp_path, offered)
    done = install(build, python, tmp_path)
    assert done.returncode == 0, done.stderr
    assert installed(python) == version


def test_a_torch_that_is_there_is_left_alone(tmp_path: Path, python: Path) -> None:
    offer(tmp_path, "1.2.3+cpu")
    install("cpu", python, tmp_path)
    assert install("cu130", python, tmp_path).returncode == 0
    assert installed(python) == "1.2.3+cpu"


def test_a_build_that_can_t_be_had_is_not_replaced_by_pypi_s_gigabytes(tmp_path: Path, python: Path) -> None:
    offer(tmp_path, "1.2.3")
    done = install("cpu", python, tmp_path)
    assert done.returncode != 0
    assert "pip's indexes don't have the build cpu of torch; uv looks in PyTorch's own" in done.stderr
    assert "torch 1.2.3 can't be had in the build cpu; TORCH_BUILD=pypi takes PyPI's, with CUDA" in done.stderr


def test_a_build_that_is_no_name_is_refused(tmp_path: Path, python: Path) -> None:
    done = install("", python, tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "there is no build '' of torch: name cpu, pypi, or one that PyTorch publishes (cu130)\n"
