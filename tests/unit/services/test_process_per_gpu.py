"""One encoder process for each GPU, with a stand-in for the driver's program and for the encoder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from services.encoder.process_per_gpu import visible_gpus

PATIENCE_S = 20.0
LISTING = """GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-2)
  MIG 1g.10gb Device 0: (UUID: MIG-1)
"""
# A worker that notes what it was given, ends with the status that a file says, and on SIGTERM with 0.
WORKER = """
import os, pathlib, signal, sys, time
gpu = os.environ["CUDA_VISIBLE_DEVICES"]
def end(*_):
    pathlib.Path(f"{gpu}.ended").touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, end)
pathlib.Path(f"{gpu}.part").write_text(f"{os.getpid()} {os.environ.get('SAESCOPE_METRICS_PORT', 'none')}")
os.rename(f"{gpu}.part", f"{gpu}.begun")
status = pathlib.Path(f"{gpu}.status")
while not status.exists():
    time.sleep(0.01)
sys.exit(int(status.read_text()))
"""
SUPERVISOR = """
import sys
from services.encoder.process_per_gpu import run_on_each
sys.exit(run_on_each(sys.argv[1].split(","), [sys.executable, "worker.py"]))
"""


def driver(folder: Path, program: str) -> str:
    """A PATH with nothing on it but an nvidia-smi that is this shell script."""
    script = folder / "nvidia-smi"
    script.write_text(f"#!/bin/sh\n{program}\n")
    script.chmod(0o755)
    return str(folder)


def test_all_gpus_of_the_driver_are_visible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "listing").write_text(LISTING)
    program = f'[ "$*" = --list-gpus ] && while read -r line; do echo "$line"; done < {tmp_path}/listing'
    monkeypatch.setenv("PATH", driver(tmp_path, program))
    assert visible_gpus({}) == ["0", "1"]


def test_there_is_no_gpu_without_a_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus({}) == []


def test_there_is_no_gpu_if_the_driver_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", driver(tmp_path, "echo 'No devices were found'; exit 6"))
    assert visible_gpus({}) == []


@pytest.mark.parametrize(
    ("given", "gpus"),
    [("", []), ("1", ["1"]), ("0,2", ["0", "2"]), ("0, GPU-5", ["0", "GPU-5"]), ("0,-1,1", ["0"])],
)
def test_a_choice_of_gpus_is_what_cuda_makes_of_it(given: str, gpus: list[str]) -> None:
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": given}) == gpus


class Supervised:
    """A supervisor process and the workers that it started."""

    def __init__(self, folder: Path, gpus: str, **more: str) -> None:
        self.folder = folder
        (folder / "worker.py").write_text(WORKER)
        self.gpus = gpus.split(",")
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])} | more
        self.process = subprocess.Popen([sys.executable, "-c", SUPERVISOR, gpus], cwd=folder, env=environment)
        self.wait(lambda: all((folder / f"{gpu}.begun").exists() for gpu in self.gpus))
        self.begun = {gpu: (folder / f"{gpu}.begun").read_text().split() for gpu in self.gpus}

    def wait(self, condition: Callable[[], bool]) -> None:
        """Return when the condition holds; AssertionError if it doesn't in time."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def ended(self) -> list[str]:
        """The GPUs whose workers were asked to end, and did."""
        return [gpu for gpu in self.gpus if (self.folder / f"{gpu}.ended").exists()]


def test_each_gpu_has_a_worker_that_sees_it_alone_and_a_port_of_its_own(tmp_path: Path) -> None:
    workers = Supervised(tmp_path, "0,2,5", SAESCOPE_METRICS_PORT="9100")
    assert {gpu: port for gpu, (_pid, port) in workers.begun.items()} == {"0": "9100", "2": "9101", "5": "9102"}
    workers.process.terminate()
    assert workers.process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("given", [{}, {"SAESCOPE_METRICS_PORT": "0"}])
def test_no_port_stays_no_port(tmp_path: Path, given: dict[str, str]) -> None:
    workers = Supervised(tmp_path, "0,1", **given)
    assert {port for _pid, port in workers.begun.values()} <= {"none", "0"}
    workers.process.terminate()
    assert workers.process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_all_workers_and_is_waited_for(tmp_path: Path, number: signal.Signals) -> None:
    workers = Supervised(tmp_path, "0,1")
    workers.process.send_signal(number)
    assert workers.process.wait(PATIENCE_S) == 0
    assert workers.ended() == ["0", "1"]


def test_a_worker_that_fails_ends_the_others_and_gives_its_status(tmp_path: Path) -> None:
    workers = Supervised(tmp_path, "0,1,2")
    (tmp_path / "1.status").write_text("3")
    assert workers.process.wait(PATIENCE_S) == 3
    assert workers.ended() == ["0", "2"]


def test_a_worker_that_is_killed_ends_the_others_and_is_no_success(tmp_path: Path) -> None:
    workers = Supervised(tmp_path, "0,1")
    os.kill(int(workers.begun["0"][0]), signal.SIGKILL)
    assert workers.process.wait(PATIENCE_S) != 0
    assert workers.ended() == ["1"]
