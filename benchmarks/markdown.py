"""Tables in Markdown, and numbers in them."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: int) -> list[str]:
    """A table's lines; the last `numbers` columns are flush right."""
    rule = ["---"] * (len(head) - numbers) + ["---:"] * numbers
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]


def percent(share: float | None, digits: int = 1) -> str:
    """A share of 1 in hundredths; nothing if there is none."""
    return "" if share is None else f"{100 * share:.{digits}f} %"
