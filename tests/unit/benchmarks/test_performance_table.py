"""docs/performance.md shows what benchmarks/results/ holds."""

from __future__ import annotations

from benchmarks.report.performance_table import PAGE, generated


def test_the_generated_parts_are_fresh() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert generated(text) == text, "run: python -m benchmarks.report.performance_table"
