"""Parts of the command for a GPU: each ends by itself or is ended, and whatever it has found by then is kept."""

from __future__ import annotations

import fcntl
import sys
import time
from pathlib import Path
from typing import TextIO

from benchmarks.gpu.__main__ import PARTS, function_of
from benchmarks.gpu.device_tests import files_of_tests
from benchmarks.gpu.results import GpuResults, read_results
from benchmarks.gpu.runner import Planned, run_all
from benchmarks.report.measurement_records import Hardware

HARDWARE = Hardware(
    cpu="Some CPU",
    cores=16,
    memory_gib=128,
    torch_version="2.11.0",
    torch_threads=16,
    gpu="NVIDIA H200",
    gpu_memory_gib=140,
)
# A part's program, with the path of its report as its argument.
BEGIN = """
import faulthandler, sys, time
from pathlib import Path
from benchmarks.gpu.results import Report
from benchmarks.gpu.runner import TELL
faulthandler.register(TELL, all_threads=True)
report = Report(Path(sys.argv[1]))
"""


def part(name: str, program: str, limit_s: float = 60) -> Planned:
    return Planned(name, limit_s, [sys.executable, "-c", BEGIN + program])


def nothing_yet(device: str = "cuda", deadline_s: float = 300) -> GpuResults:
    return GpuResults(command="it", measured_on="2026-11-28", device=device, deadline_s=deadline_s, parts=[])


MACHINE = f"""
from benchmarks.report.measurement_records import Hardware
report.machine(Hardware(**{HARDWARE.model_dump()}), {{'torch': '2.11.0'}})
"""
MEASURED = "report.figure('it', 2.5, 's')"
# It starts a process that holds a lock, and then does nothing any more.
HANGING = """
import subprocess
lock = "import fcntl, time; file = open({path!r}, 'w'); fcntl.flock(file, fcntl.LOCK_EX); print(flush=True)"
child = subprocess.Popen([sys.executable, "-c", lock + "; time.sleep(600)"], stdout=subprocess.PIPE)
child.stdout.readline()
report.figure('found', 1, 's')
time.sleep(600)
"""
PATIENCE_S = 20.0


def test_what_a_part_reports_is_in_the_file_named_after_the_gpu(tmp_path: Path) -> None:
    planned = [part("machine", MACHINE), part("one", f"report.check('it holds', True, 'so'); {MEASURED}")]
    results = run_all(planned, nothing_yet(), tmp_path)
    (path,) = tmp_path.iterdir()
    assert path.name == "gpu-nvidia-h200.json"
    assert read_results(path) == results
    assert [(found.name, found.status) for found in results.parts] == [("machine", "passed"), ("one", "passed")]
    assert results.hardware == HARDWARE
    assert [check.what for check in results.parts[1].checks] == ["it holds"]
    assert [(figure.value, figure.unit) for figure in results.parts[1].figures] == [(2.5, "s")]
    assert results.holds


def test_a_part_that_fails_is_recorded_with_its_traceback_and_the_rest_is_done(tmp_path: Path) -> None:
    planned = [
        part("bad", "report.figure('before', 1, 's'); raise RuntimeError('CUDA error: an illegal memory access')"),
        part("gone", "import os; os.kill(os.getpid(), 9)"),
        part("good", "report.figure('after', 2, 's')"),
    ]
    results = run_all(planned, nothing_yet(), tmp_path)
    bad, gone, good = results.parts
    assert (bad.status, gone.status, good.status) == ("failed", "failed", "passed")
    assert [figure.what for figure in bad.figures] == ["before"]
    assert "Traceback" in (bad.error or "")
    assert "RuntimeError: CUDA error: an illegal memory access" in (bad.error or "")
    assert not results.holds
    assert [path.name for path in tmp_path.iterdir()] == ["gpu-unknown.json"]


def test_a_part_that_takes_too_long_is_ended_with_what_it_started_and_says_where_it_was(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    planned = [part("slow", HANGING.format(path=str(lock)), limit_s=5), part("next", MEASURED)]
    slow, after = run_all(planned, nothing_yet(), tmp_path / "results").parts
    assert (slow.status, after.status) == ("out of time", "passed")
    assert [figure.what for figure in slow.figures] == ["found"]
    assert "most recent call first" in (slow.error or "")
    deadline = time.monotonic() + PATIENCE_S
    with lock.open("w") as file:
        while not taken(file):
            assert time.monotonic() < deadline, "what the part has started still holds its lock"
            time.sleep(0.01)


def taken(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def test_every_part_is_there() -> None:
    assert {part: callable(function_of(part)) for part in PARTS} == dict.fromkeys(PARTS, True)


def test_the_tests_of_what_runs_on_any_device_are_found() -> None:
    names = [Path(name).name for name in files_of_tests()]
    assert "test_attention.py" in names
    assert "test_summarise_torch.py" in names
