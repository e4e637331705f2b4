"""Install the pinned torch in one of PyTorch's builds: `python install_torch.py BUILD PYTHON`.

BUILD is `cpu`, `cu130` or another that PyTorch publishes, or `pypi` for what PyPI has, which on Linux brings gigabytes
of CUDA (and doesn't start without them). PyTorch keeps its builds in indexes of its own and marks them in the version,
as in 2.13.0+cpu. pip is asked first, so a mirror or a folder of wheels that it is configured with will do; then uv,
which knows PyTorch's indexes by the names of the builds. PYTHON is the interpreter to install into, which needs no pip.
A torch of the pinned version that is there already is left alone, whatever build it is.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

CONSTRAINTS = "constraints.txt"


def main(build: str, python: str) -> int:
    """Install torch for an interpreter; the exit status."""
    if not re.fullmatch(r"[a-z0-9.]+", build):
        sys.stderr.write(
            f"there is no build '{build}' of torch: name cpu, pypi, or one that PyTorch publishes (cu130)\n"
        )
        return 2
    (version,) = re.findall(r"^torch==(\S+)$", Path(CONSTRAINTS).read_text(encoding="utf-8"), flags=re.MULTILINE)
    if installed(python).partition("+")[0] == version:
        return 0
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "install", "-c", CONSTRAINTS]
    if build == "pypi":  # and not one of the others, should pip know them too: hence three signs
        return subprocess.run([*pip, f"torch==={version}"], check=False).returncode  # noqa: S603
    if subprocess.run([*pip, f"torch=={version}+{build}"], check=False).returncode == 0:  # noqa: S603
        return 0
    sys.stderr.write(f"pip's indexes don't have the build {build} of torch; uv looks in PyTorch's own\n")
    status = with_uv(build, python, version)
    if status:
        sys.stderr.write(
            f"torch {version} can't be had in the build {build}; TORCH_BUILD=pypi takes PyPI's, with CUDA\n"
        )
    return status


def installed(python: str) -> str:
    """The version of torch that an interpreter has, empty if none."""
    program = "import importlib.metadata; print(importlib.metadata.version('torch'))"
    return subprocess.run([python, "-c", program], capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603


def with_uv(build: str, python: str, version: str) -> int:
    """Install torch with uv, which is installed for that into a folder of its own; the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        get = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--target", folder, "uv"]
        get += ["-c", CONSTRAINTS]
        status = subprocess.run(get, check=False).returncode  # noqa: S603
        if status:
            return status
        uv = [str(Path(folder, "bin", "uv")), "pip", "install", "--python", python, "-c", CONSTRAINTS]
        return subprocess.run([*uv, "--torch-backend", build, f"torch=={version}"], check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
