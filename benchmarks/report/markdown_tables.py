"""Records as a table in Markdown, and numbers as the tables have them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.report.measurement_records import Record

_HEAD = ("what", "device", "precision", "latents", "tokens/s", "µs a token", "GFLOP/s", "of the GEMM rate", "repeats")
_NUMBERS = 6  # of the columns, the last


def record_table(records: Sequence[Record]) -> list[str]:
    """A table's lines, one for each record."""
    return table(_HEAD, [_cells(record) for record in records], _NUMBERS)


def _cells(record: Record) -> list[str]:
    named = [record.name, record.device, record.precision or "", count(record.latents)]
    if not record.measured:
        return [*named, "not measured", "", "", "", ""]
    speed = record.tokens_per_s
    return [
        *named,
        rounded(speed),
        "" if not speed else _digits(1e6 / speed),
        rounded(record.gflops),
        percent(record.fraction_of_roofline),
        str(record.repeats),
    ]


def count(number: int | None) -> str:
    """A whole number; nothing for none."""
    return f"{number:,}" if number else ""


def rounded(number: float | None) -> str:
    """Three significant digits at least; nothing for none."""
    if number is None:
        return ""
    return f"{number:,.0f}" if number >= 100 else _digits(number)


def _digits(number: float) -> str:
    """Three significant digits at least, none of them as a power of ten."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: int) -> list[str]:
    """A table's lines; the last `numbers` columns are flush right."""
    rule = ["---"] * (len(head) - numbers) + ["---:"] * numbers
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]


def percent(share: float | None, digits: int = 1) -> str:
    """A share of 1 in hundredths; nothing if there is none."""
    return "" if share is None else f"{100 * share:.{digits}f} %"
