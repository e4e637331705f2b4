"""README says what the code does: its generated parts are fresh, and what it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.readme_blocks import README, generated

REPOSITORY = README.parent


@pytest.mark.parametrize("path", [README, *sorted((REPOSITORY / "docs").glob("*.md"))], ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text())
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_the_generated_parts_are_fresh() -> None:
    text = README.read_text()
    assert generated(text) == text, "run: python docs/readme_blocks.py"
