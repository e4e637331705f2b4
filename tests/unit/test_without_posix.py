"""What needs no POSIX system: everything is imported, and a run is made, where Python lacks what it lacks on Windows.

This finds attributes and modules that aren't there. It finds nothing of how Windows treats files, paths and processes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from demo.headlines import write_csv
from tests.support.commands import DEMO_SUBJECT, LAYER, environment, write_random_autoencoder

ROOT = Path(__file__).parents[2]
OURS = ("sparse_autoencoder", "services", "demo")
# Packages of others are imported first, as they are here: only our own code is asked what it takes for granted.
LACKING = """
import importlib, json, os, signal, sys

for name in json.loads(sys.stdin.readline()):
    try:
        importlib.import_module(name)
    except Exception:  # a part of a package that can't be imported by itself
        pass
for name in "fcntl grp pty pwd resource syslog termios tty".split():
    sys.modules[name] = None
there = "SIGABRT SIGFPE SIGILL SIGINT SIGSEGV SIGTERM SIG_DFL SIG_IGN".split()
missing = [name for name in dir(signal) if name.startswith("SIG") and name not in there]
for name in [*missing, *"alarm pause pthread_kill pthread_sigmask setitimer siginterrupt sigwait".split()]:
    delattr(signal, name)
for name in (
    "chown fchmod fchown fork forkpty getegid geteuid getgid getloadavg getpgid getuid killpg mkfifo nice openpty "
    "posix_spawn pread pwrite sched_getaffinity sched_setaffinity setsid statvfs sysconf uname waitid "
    "O_CLOEXEC O_DIRECTORY O_DSYNC O_NOCTTY O_NOFOLLOW O_NONBLOCK O_SYNC P_ALL P_PID WEXITED WNOHANG WNOWAIT"
).split():
    if hasattr(os, name):  # not on every system
        delattr(os, name)
"""


def modules() -> list[str]:
    """All modules of the project but those that are programs."""
    files = [file for folder in OURS for file in (ROOT / folder).rglob("*.py") if "viewer" not in file.parts]
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files]
    return sorted(name for name in names if not name.endswith("__main__"))


def python(program: str, given: list[str], folder: Path) -> str:
    """What a program prints that is given a list as its first line of input."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=environment(folder),
        input=json.dumps(given) + "\n",
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def modules_of_others(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What is imported with all of the project's modules."""
    program = f"""
import importlib, json, sys
for name in {modules()}:
    importlib.import_module(name)
print(json.dumps([name for name in sys.modules if name.partition(".")[0] not in {(*OURS, "__main__")}]))
"""
    found: list[str] = json.loads(python(program, [], tmp_path_factory.mktemp("modules")).splitlines()[-1])
    return found


def test_every_module_is_imported(modules_of_others: list[str], tmp_path: Path) -> None:
    program = f"{LACKING}\nfor name in {modules()}:\n    importlib.import_module(name)\nprint('imported')"
    assert python(program, modules_of_others, tmp_path).splitlines()[-1] == "imported"


def test_a_run_is_made(modules_of_others: list[str], tmp_path: Path) -> None:
    write_csv(50, 0, str(tmp_path / "headlines.csv"))
    write_random_autoencoder(tmp_path / "autoencoder.pt")
    arguments = ["run", "--source", "headlines.csv", "--subject", str(DEMO_SUBJECT), "--autoencoder", "autoencoder.pt"]
    arguments += ["--layer", str(LAYER)]
    program = f"{LACKING}\nfrom services.cli import main\nsys.exit(main({arguments}))"
    assert "\n50 rows, " in python(program, modules_of_others, tmp_path)
    assert len(list(tmp_path.glob("analysis_data/*/features/*.parquet"))) == 1
