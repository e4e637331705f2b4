"""The documentation says what the code does: its generated parts are fresh, and the files it links to exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.report import performance_table
from docs.readme_blocks import README, generated

REPOSITORY = README.parent


@pytest.mark.parametrize("path", [README, *sorted((REPOSITORY / "docs").glob("*.md"))], ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text())
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_the_generated_parts_are_fresh() -> None:
    text = README.read_text()
    assert generated(text) == text, "run: python docs/readme_blocks.py"


def test_the_tables_of_what_was_measured_are_fresh() -> None:
    text = performance_table.PAGE.read_text(encoding="utf-8")
    assert performance_table.generated(text) == text, "run: python -m benchmarks.performance_table"
