"""JSON Lines -> records."""

import json
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, TextIO

from sparse_autoencoder.data.plain_text import physical_lines
from sparse_autoencoder.data.row_skip_rules import MAX_ROW_CHARS, Record, SkippedRow, record_of, too_long
from sparse_autoencoder.data.text_column import choose_text_column
from sparse_autoencoder.errors import SaescopeError

_SAMPLED_LINES = 100  # JSON Lines has no header, so the columns are the keys of the first lines


def read_jsonl(stream: TextIO, wanted: str | None, name: str) -> tuple[Iterator[Record], str]:
    """Records of JSON Lines (one object per line), and the name of the text column.

    Raises SaescopeError if none of the first lines has the wanted key, or if no key can be chosen.
    """
    lines = physical_lines(stream)
    sample: list[str | None] = []
    sampled_chars = 0
    for line in islice(lines, _SAMPLED_LINES):
        sample.append(line)
        sampled_chars += len(line or "")
        if sampled_chars > MAX_ROW_CHARS:
            break
    columns = list(dict.fromkeys(key for line in sample for key in _object_of(line) or {}))
    if sample and not columns:
        raise SaescopeError(f"{name} isn't JSON Lines: none of its first lines is an object with keys")
    column = choose_text_column(columns, wanted, name)
    return _jsonl_records(chain(sample, lines), column), column


def _jsonl_records(lines: Iterator[str | None], column: str) -> Iterator[Record]:
    row_id = 0
    for line in lines:
        if line is not None and not line.strip():
            continue  # a blank line is no record
        yield _jsonl_record(row_id, line, column)
        row_id += 1


def _jsonl_record(row_id: int, line: str | None, column: str) -> Record:
    if line is None:
        return too_long(row_id)
    fields = _object_of(line)
    if fields is None:
        return SkippedRow(row_id, "not a JSON object")
    if column not in fields:
        return SkippedRow(row_id, f"no field '{column}'")
    text = fields[column]
    if text is None:
        return SkippedRow(row_id, "no text")
    if not isinstance(text, str):
        return SkippedRow(row_id, f"the field '{column}' isn't text")
    return record_of(row_id, text)


def _object_of(line: str | None) -> dict[str, Any] | None:
    try:
        value = json.loads(line or "")
    except (ValueError, RecursionError):  # deep nesting overflows the parser
        return None
    return value if isinstance(value, dict) else None
