"""The records of a dataset: a row with text, or a skipped row with the reason; and which text is usable."""

import re
from dataclasses import dataclass

MAX_ROW_CHARS = 2**20
"""The longest usable record, in characters. Longer ones are skipped, so that memory stays bounded."""

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Row:
    """A record with usable text; `row_id` is its index in the dataset, `text` has no surrounding white space."""

    row_id: int
    text: str


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A record that can't be used; `reason` is a fragment of a sentence, such as "no text"."""

    row_id: int
    reason: str


Record = Row | SkippedRow


def record_of(row_id: int, text: str) -> Record:
    """The row with this text, or a skipped row if the text isn't usable.

    A byte that was not UTF-8 must come as a lone surrogate, as Python's `surrogateescape` decodes it.
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
