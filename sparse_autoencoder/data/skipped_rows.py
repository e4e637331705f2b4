"""What a record of a dataset becomes: a row with text, or a skipped row with a reason.

This file decides which text is usable. It knows nothing of files, formats or columns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_ROW_CHARS = 2**20
"""Longest record that is read, in characters; a longer one is skipped, so that memory doesn't follow it."""

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Row:
    """A record with text: `row_id` is its index in the dataset, `text` is stripped of surrounding white space."""

    row_id: int
    text: str


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A record that can't be used; `reason` is a fragment of a sentence, such as "no text"."""

    row_id: int
    reason: str


Record = Row | SkippedRow


def record_of(row_id: int, text: str) -> Record:
    """The row that a text makes, or the reason why it can't be one.

    A byte that wasn't UTF-8 is expected as a lone surrogate, as Python's `surrogateescape` decodes it.
    """
    text = text.strip()
    if not text:
        return SkippedRow(row_id, "no text")
    if "\0" in text:
        return SkippedRow(row_id, "NUL bytes in the text")
    if len(text) > MAX_ROW_CHARS:
        return too_long(row_id)
    if not text.isascii() and _SURROGATE.search(text):
        return SkippedRow(row_id, "not valid UTF-8")
    return Row(row_id, text)


def too_long(row_id: int) -> SkippedRow:
    """The skipped row for a record of more than MAX_ROW_CHARS characters."""
    return SkippedRow(row_id, f"longer than {MAX_ROW_CHARS:,} characters")
