"""Writes the generated parts of docs/performance.md from benchmarks/results/*.json: of machines and GPUs.

    python -m benchmarks.report.performance_table

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`. A test fails when one is stale.
"""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.gpu.results import read_results
from benchmarks.report import gpu_table
from benchmarks.report.markdown_tables import count, percent, record_table, table
from benchmarks.report.measurement_records import FOLDER, GPU_PREFIX, Hardware, Record, Results, read_all
from benchmarks.speed.start_up import STARTING

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
_PART = re.compile(r"(<!-- generated: (?P<name>results|gpu) -->\n).*?(<!-- end -->)", re.DOTALL)
_NOTHING = "Nothing has been measured yet: `{}`.\n"


def generated(text: str, folder: Path = FOLDER) -> str:
    """The page's text with its generated parts made anew."""
    parts = {"results": _machines, "gpu": _gpus}
    return _PART.sub(lambda match: match[1] + parts[match["name"]](folder) + match[3], text)


def write() -> None:
    """Bring the page up to date."""
    PAGE.write_text(generated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def _machines(folder: Path) -> str:
    return "\n".join(section(results) for results in read_all(folder)) or _NOTHING.format("make bench")


def _gpus(folder: Path) -> str:
    found = [read_results(path) for path in sorted(folder.glob(f"{GPU_PREFIX}*.json"))]
    # a CPU that stood in for a GPU is no news
    sections = [gpu_table.section(results) for results in found if results.device == "cuda"]
    return "\n".join(sections) or _NOTHING.format("python -m benchmarks.gpu")


def section(results: Results) -> str:
    """A machine's tables, as Markdown."""
    lines = [
        f"### {_machine(results.hardware)}",
        "",
        f"`{results.command}` on {results.measured_on}, PyTorch {results.hardware.torch_version}, "
        f"{results.hardware.torch_threads} threads, load {results.load_before:g} before.",
        "",
        *record_table([record for record in results.records if record.name not in STARTING]),
    ]
    runs = [record for record in results.records if record.run is not None]
    if runs:
        lines += ["", *table(_RUN_HEAD, [_run_cells(record) for record in runs], _RUN_NUMBERS)]
    starts = [record for record in results.records if record.name in STARTING]
    if starts:
        lines += ["", *table(_START_HEAD, [_start_cells(record) for record in starts], _START_NUMBERS)]
    return "\n".join(lines) + "\n"


def _machine(hardware: Hardware) -> str:
    gpu = f", {hardware.gpu} ({hardware.gpu_memory_gib} GiB)" if hardware.gpu else ", no GPU"
    return f"{hardware.cpu}, {hardware.cores} cores, {hardware.memory_gib} GiB{gpu}"


_RUN_HEAD = (
    *("run", "precision", "latents", "rows", "seconds", "fastest", "slowest", "of it publishing", "waiting for rows"),
    *("summary and merge", "of the GEMM rate, nothing twice", "loading, not counted", "device memory"),
)
_RUN_NUMBERS = 11


def _run_cells(record: Record) -> list[str]:
    run = record.run
    assert run is not None
    return [
        f"{record.name}, {record.device}",
        record.precision or "",
        count(record.latents),
        count(record.rows),
        *(f"{seconds or 0:.1f}" for seconds in (record.seconds, record.fastest_s, record.slowest_s)),
        f"{run.publishing_s:.1f}",
        percent(run.waiting),
        percent(run.summarising),
        percent(run.fraction_of_roofline_distinct),
        f"{run.loading_s:.1f}",
        "" if run.peak_device_gib is None else f"{run.peak_device_gib:.1f} GiB",
    ]


_START_HEAD = ("from the command line", "seconds", "fastest", "slowest", "repeats")
_START_NUMBERS = 4


def _start_cells(record: Record) -> list[str]:
    times = (record.seconds, record.fastest_s, record.slowest_s)
    return [record.name, *(f"{seconds or 0:.2f}" for seconds in times), str(record.repeats)]


if __name__ == "__main__":
    write()
