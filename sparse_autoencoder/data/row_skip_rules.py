"""The records of a dataset: a row with text, or a skipped row with the reason; and which text is usable."""

import re
import unicodedata
from dataclasses import dataclass

MAX_ROW_CHARS = 2**20
"""The longest usable record, in characters. Longer ones are skipped, so that memory stays bounded."""

NOT_UNICODE = "not valid Unicode"
"""The reason for a text with bytes that its encoding doesn't have, or with half of a surrogate pair."""

Columns = tuple[str | None, ...]

_SURROGATE = re.compile("[\ud800-\udfff]")
_BLANK_LETTERS = "\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"  # Unicode has them as letters or signs; they show nothing
_VISIBLE = re.compile(rf"[^\W{_BLANK_LETTERS}]")  # a fast test that nearly every text passes
_INVISIBLE_CATEGORIES = ("C", "Z", "M")  # control and format characters, separators, marks without a letter


@dataclass(frozen=True, slots=True)
class Row:
    """A record with usable text; `row_id` is its index in the dataset, `text` has no surrounding white space.

    `columns` are its values in the columns to keep (`kept_columns.py`), None where it has none.
    """

    row_id: int
    text: str
    columns: Columns = ()


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A record that can't be used; `reason` is a fragment of a sentence, such as "no text"."""

    row_id: int
    reason: str


Record = Row | SkippedRow


def record_of(row_id: int, text: str, columns: Columns = ()) -> Record:
    """The row with this text and these values of columns to keep, or a skipped row if the text isn't usable.

    A byte that the encoding doesn't have must come as a lone surrogate, as `encodings.MARK_UNDECODABLE` decodes it.
    """
    text = text.strip()
    if not text:
        return SkippedRow(row_id, "no text")
    if "\0" in text:
        return SkippedRow(row_id, "NUL bytes in the text")
    if len(text) > MAX_ROW_CHARS:
        return too_long(row_id)
    if not text.isascii() and _SURROGATE.search(text):
        return SkippedRow(row_id, NOT_UNICODE)
    if not _is_visible(text):
        return SkippedRow(row_id, "only invisible characters")
    return Row(row_id, text, columns)


def too_long(row_id: int) -> SkippedRow:
    """The skipped row for a record of more than MAX_ROW_CHARS characters."""
    return SkippedRow(row_id, f"longer than {MAX_ROW_CHARS:,} characters")


def _is_visible(text: str) -> bool:
    return _VISIBLE.search(text) is not None or any(
        unicodedata.category(char)[0] not in _INVISIBLE_CATEGORIES and char not in _BLANK_LETTERS for char in set(text)
    )
