"""Parts of the command for a GPU: each ends by itself or is ended, and whatever it has found by then is kept."""

from __future__ import annotations

import fcntl
import json
import sys
import time
from pathlib import Path
from typing import TextIO

import pytest

from benchmarks.gpu.results import GpuResults, Part, Report, read_report, read_results
from benchmarks.gpu.runner import Planned, run_all
from benchmarks.report.gpu_table import section
from benchmarks.report.performance_table import generated
from benchmarks.report.results import Hardware, Record, read_all

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
from benchmarks.report.results import Hardware
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


def test_a_check_that_does_not_hold_fails_its_part(tmp_path: Path) -> None:
    results = run_all([part("one", "report.check('a', True); report.check('b', False)")], nothing_yet(), tmp_path)
    assert results.parts[0].status == "failed"
    assert not results.holds


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


def test_what_there_is_no_time_for_is_not_begun(tmp_path: Path) -> None:
    begun = iter([0.0, 0.0, 290.0])
    planned = [part("one", MEASURED), part("two", MEASURED)]
    results = run_all(planned, nothing_yet(deadline_s=300), tmp_path, clock=lambda: next(begun))
    assert [found.status for found in results.parts] == ["passed", "out of time"]
    assert results.parts[1].seconds == 0
    assert results.parts[1].error == "not begun: too little was left of the command's time"


def test_no_part_is_given_more_than_what_is_left(tmp_path: Path) -> None:
    begun = iter([0.0, 270.0])
    results = run_all([part("one", "pass", limit_s=60)], nothing_yet(), tmp_path, clock=lambda: next(begun))
    assert results.parts[0].limit_s == 25


def test_a_part_that_can_do_nothing_here_is_skipped(tmp_path: Path) -> None:
    results = run_all([part("one", "report.skip('memory', 'needs CUDA')")], nothing_yet("cpu"), tmp_path)
    assert results.parts[0].status == "skipped"
    assert results.parts[0].skipped == ["memory: needs CUDA"]
    assert results.holds


def test_what_was_found_is_written_after_each_part(tmp_path: Path) -> None:
    seen = f"from pathlib import Path; report.figure('files', len(list(Path('{tmp_path}').iterdir())), '')"
    results = run_all([part("one", seen), part("two", seen)], nothing_yet(), tmp_path)
    assert [found.figures[0].value for found in results.parts] == [0, 1]


def test_a_line_that_was_being_written_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "report"
    Report(path).check("it holds", True)
    with path.open("a") as file:
        file.write('["checks", {"what": "half a')
    assert [check["what"] for check in read_report(path)["checks"]] == ["it holds"]
    assert read_report(tmp_path / "none") == {"records": []}


def test_a_later_record_of_a_kind_replaces_the_earlier(tmp_path: Path) -> None:
    report = Report(tmp_path / "report")
    for repeats in (1, 2):
        for precision in ("float32", "bfloat16"):
            report.record(Record(name="end to end", device="cuda", precision=precision, latents=8, repeats=repeats))
    found = read_report(tmp_path / "report")["records"]
    assert [(record.precision, record.repeats) for record in found] == [("float32", 2), ("bfloat16", 2)]


def results_of(**changes: object) -> GpuResults:
    found = Part.model_validate(
        {
            "name": "speed",
            "status": "failed",
            "seconds": 12.34,
            "limit_s": 60,
            "hardware": HARDWARE,
            "versions": {"torch": "2.11.0"},
            "skipped": ["TF32: not here"],
            "checks": [
                {"what": "numpy's bits", "holds": True},
                {"what": "the same bytes", "holds": False, "detail": "one differs"},
            ],
            "figures": [{"what": "peak", "value": 12.5, "unit": "GiB"}],
            "records": [Record(name="end to end", device="cuda", latents=8, repeats=1, tokens_per_s=2_000_000)],
            "kernels": [
                {"work": "computing", "on_device": True, "name": "gemm|tiles", "calls": 7, "ms": 1.5},
                {"work": "computing", "on_device": False, "name": "aten::mm", "calls": 7, "ms": 9.5},
            ],
            "error": "Traceback\nValueError: broken\n",
        }
    )
    return nothing_yet().model_copy(update={"parts": [found]} | changes)


def test_the_page_shows_what_was_found_and_what_does_not_hold() -> None:
    text = section(results_of())
    assert text.startswith("### NVIDIA H200, with Some CPU\n\n`it` on 2026-11-28, torch 2.11.0.\n")
    for line in (
        "| speed | failed | 12.3 | 60 | 1 of 2 |",
        "* speed: the same bytes (one differs)",
        "* speed: ValueError: broken",
        "* speed: TF32: not here",
        "| end to end | cuda |  | 8 | 2,000,000 | 0.5 |  |  | 1 |",
        "| peak | 12.5 GiB |",
        "| `gemm¦tiles` | 7 | 1.500 |",
    ):
        assert f"\n{line}\n" in text
    assert "aten::mm" not in text


@pytest.mark.parametrize(("device", "shown"), [("cuda", True), ("cpu", False)])
def test_a_gpu_is_on_the_page_and_a_cpu_in_its_place_is_not(device: str, shown: bool, tmp_path: Path) -> None:
    results_of(device=device).write(tmp_path / "gpu-some.json")
    page = generated("<!-- generated: gpu -->\nold\n<!-- end -->\n", tmp_path)
    assert ("### NVIDIA H200" in page) is shown
    assert ("Nothing has been measured yet: `python -m benchmarks.gpu`." in page) is not shown
    assert read_all(tmp_path) == []
    assert json.loads((tmp_path / "gpu-some.json").read_text())["device"] == device
