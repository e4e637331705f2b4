"""Writes the generated parts of docs/performance.md from benchmarks/results/*.json: machines' tables, and precisions'.

    python -m benchmarks.performance_table

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`. A test fails when one is stale.
"""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks import precision_table
from benchmarks.agreement import PrecisionResults
from benchmarks.markdown import percent, table
from benchmarks.results import FOLDER, PRECISION_FILE, Hardware, Record, Results, read_all
from benchmarks.start_up import STARTING

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
_PART = re.compile(r"(<!-- generated: (?P<name>results|precision) -->\n).*?(<!-- end -->)", re.DOTALL)
_HEAD = ("what", "device", "precision", "latents", "tokens/s", "µs a token", "GFLOP/s", "of the GEMM rate", "repeats")
_NUMBERS = 6  # of the columns, the last
_NOTHING = "Nothing has been measured yet: `{}`.\n"


def generated(text: str, folder: Path = FOLDER) -> str:
    """The page's text with its generated parts made anew."""
    parts = {"results": _machines, "precision": _precisions}
    return _PART.sub(lambda match: match[1] + parts[match["name"]](folder) + match[3], text)


def write() -> None:
    """Bring the page up to date."""
    PAGE.write_text(generated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def _machines(folder: Path) -> str:
    return "\n".join(section(results) for results in read_all(folder)) or _NOTHING.format("make bench")


def _precisions(folder: Path) -> str:
    path = folder / PRECISION_FILE
    if not path.exists():
        return _NOTHING.format("python -m benchmarks.precision")
    return precision_table.section(PrecisionResults.model_validate_json(path.read_text(encoding="utf-8")))


def section(results: Results) -> str:
    """A machine's tables, as Markdown."""
    lines = [
        f"### {_machine(results.hardware)}",
        "",
        f"`{results.command}` on {results.measured_on}, PyTorch {results.hardware.torch_version}, "
        f"{results.hardware.torch_threads} threads, load {results.load_before:g} before.",
        "",
        *table(_HEAD, [_cells(record) for record in results.records if record.name not in STARTING], _NUMBERS),
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


def _cells(record: Record) -> list[str]:
    named = [record.name, record.device, record.precision or "", _count(record.latents)]
    if not record.measured:
        return [*named, "not measured", "", "", "", ""]
    speed = record.tokens_per_s
    return [
        *named,
        _rounded(speed),
        "" if not speed else _digits(1e6 / speed),
        _rounded(record.gflops),
        percent(record.fraction_of_roofline),
        str(record.repeats),
    ]


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
        _count(record.latents),
        _count(record.rows),
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


def _count(number: int | None) -> str:
    return f"{number:,}" if number else ""


def _rounded(number: float | None) -> str:
    if number is None:
        return ""
    return f"{number:,.0f}" if number >= 100 else _digits(number)


def _digits(number: float) -> str:
    """Three significant digits at least, none of them as a power of ten."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


if __name__ == "__main__":
    write()
