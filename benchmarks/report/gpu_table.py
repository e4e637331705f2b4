"""What benchmarks.gpu found on a machine, as Markdown: its parts, what does not hold, figures, rows and kernels."""

from __future__ import annotations

from benchmarks.gpu.results import GpuResults, Kernel, Part
from benchmarks.report.markdown_tables import record_table, rounded, table

_KERNELS = 10  # shown of each part of the work
_NAME_CHARS = 80


def section(results: GpuResults) -> str:
    """A machine's tables."""
    hardware = results.hardware
    machine = "A machine that could not be described" if hardware is None else f"{hardware.gpu}, with {hardware.cpu}"
    versions = {name: version for part in results.parts for name, version in part.versions.items()}
    lines = [
        f"### {machine}",
        "",
        f"`{results.command}` on {results.measured_on}"
        + "".join(f", {name} {version}" for name, version in versions.items())
        + ".",
        "",
        *table(["part", "", "seconds", "of at most", "what holds"], [_cells(part) for part in results.parts], 3),
    ]
    lines += _list("What does not hold", [*map(_failure, _failures(results))])
    lines += _list("Not done", [f"{part.name}: {what}" for part in results.parts for what in part.skipped])
    if results.records:
        lines += ["", *record_table(results.records)]
    figures = [figure for part in results.parts for figure in part.figures]
    if figures:
        rows = [[figure.what, f"{rounded(figure.value)} {figure.unit}"] for figure in figures]
        lines += ["", *table(["figure", ""], rows, 1)]
    kernels = [kernel for part in results.parts for kernel in part.kernels if kernel.on_device]
    for work in dict.fromkeys(kernel.work for kernel in kernels):
        of_work = [kernel for kernel in kernels if kernel.work == work][:_KERNELS]
        lines += ["", *table([f"kernels of {work}", "calls", "ms"], [_kernel(kernel) for kernel in of_work], 2)]
    return "\n".join(lines) + "\n"


def _cells(part: Part) -> list[str]:
    holds = f"{sum(check.holds for check in part.checks)} of {len(part.checks)}" if part.checks else ""
    return [part.name, part.status, f"{part.seconds:.1f}", f"{part.limit_s:.0f}", holds]


def _failures(results: GpuResults) -> list[tuple[str, str]]:
    checks = [
        (part.name, f"{check.what} ({check.detail})")
        for part in results.parts
        for check in part.checks
        if not check.holds
    ]
    errors = [(part.name, (part.error or "").strip().splitlines()) for part in results.parts]
    return checks + [(name, lines[-1]) for name, lines in errors if lines]


def _failure(found: tuple[str, str]) -> str:
    return f"{found[0]}: {found[1]}"


def _list(title: str, items: list[str]) -> list[str]:
    return ["", f"{title}:", "", *(f"* {item}" for item in items)] if items else []


def _kernel(kernel: Kernel) -> list[str]:
    name = kernel.name if len(kernel.name) <= _NAME_CHARS else f"{kernel.name[:_NAME_CHARS]}…"
    return [f"`{name.replace('|', '¦')}`", str(kernel.calls), f"{kernel.ms:.3f}"]
