"""Plain text, JSON Lines and Parquet -> records; and the choice of the text column, for every format.

Each reader takes an opened input and returns an iterator of records; a whole file is never held. CSV and TSV have
a file of their own, `csv_rows.py`. This file doesn't know where an input comes from or how it is compressed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, islice
from typing import IO, Any, TextIO

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.rows import MAX_ROW_CHARS, Record, SkippedRow, record_of, too_long

PREFERRED_COLUMNS = ("title", "text")
TOO_LONG = None
"""Stands for a physical line of more than MAX_ROW_CHARS characters, which was read past and dropped."""

_SAMPLED_LINES = 100  # JSON Lines has no header: columns are the keys of the first lines
_BATCH_ROWS = 256  # of Parquet, decoded at once
_READ_BUFFER_BYTES = 2**20  # of Parquet's column chunks, which may be gigabytes


def choose_text_column(columns: Sequence[str], wanted: str | None, name: str) -> str:
    """The column that holds the text: the wanted one, else `title`, else `text`, else the only one there is.

    Raises SaescopeError, which lists the columns, if it doesn't exist, isn't clear, or occurs more than once.
    """
    existing = ", ".join(f"'{column}'" for column in columns)
    chosen = wanted
    if chosen is None:
        chosen = next((column for column in PREFERRED_COLUMNS if column in columns), None)
    if chosen is None and len(columns) == 1:
        chosen = columns[0]
    if chosen is None:
        raise SaescopeError(f"{name} has no column 'title' or 'text'; name one with --text-column: {existing}")
    if chosen not in columns:
        raise SaescopeError(f"{name} has no column '{chosen}'; its columns are {existing}")
    if columns.count(chosen) > 1:
        raise SaescopeError(f"{name} has more than one column '{chosen}'; rename all but the one to read")
    return chosen


def physical_lines(stream: TextIO) -> Iterator[str | None]:
    """The lines of a stream, each with its newline; TOO_LONG in the place of a line beyond MAX_ROW_CHARS."""
    most = MAX_ROW_CHARS + len("\r\n")
    for piece in iter(partial(stream.readline, most), ""):
        if len(piece) < most or piece.endswith("\n"):
            yield piece
            continue
        while piece and not piece.endswith("\n"):
            piece = stream.readline(most)
        yield TOO_LONG


def read_text(stream: TextIO) -> Iterator[Record]:
    """Records of a plain text, one a line."""
    for row_id, line in enumerate(physical_lines(stream)):
        yield too_long(row_id) if line is None else record_of(row_id, line)


def read_jsonl(stream: TextIO, wanted: str | None, name: str) -> tuple[Iterator[Record], str]:
    """Records of JSON Lines (one object a line), and the name of the text column.

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


class ParquetRows:
    """Records of a Parquet file, whose text column is chosen when it is opened.

    Raises SaescopeError if the file isn't Parquet, or if its column doesn't exist or doesn't hold text.
    """

    def __init__(self, file: IO[bytes], wanted: str | None, name: str) -> None:
        import pyarrow as pa  # takes a moment to load, and the other formats don't need it
        import pyarrow.parquet as pq

        try:
            # without a buffer size a whole column chunk is loaded, and a file may consist of one
            self._file = pq.ParquetFile(file, buffer_size=_READ_BUFFER_BYTES, pre_buffer=False)
        except (pa.ArrowException, OSError) as error:
            raise SaescopeError(f"{name} isn't a readable Parquet file, or it is truncated: {error}") from error
        schema = self._file.schema_arrow
        self.column = choose_text_column(schema.names, wanted, name)
        kind = schema.field(self.column).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
            raise SaescopeError(f"column '{self.column}' of {name} holds {kind}, not text; choose with --text-column")
        self._name = name
        self._rows_read = 0

    def fraction_read(self) -> float:
        """How much of the file has been read, by rows."""
        total: int = self._file.metadata.num_rows
        return self._rows_read / total if total else 1.0

    def __iter__(self) -> Iterator[Record]:
        import pyarrow as pa

        try:
            for batch in self._file.iter_batches(batch_size=_BATCH_ROWS, columns=[self.column]):
                yield from self._records(batch.column(0))
        except (pa.ArrowException, OSError) as error:
            raise SaescopeError(f"{self._name} is damaged after row {self._rows_read}: {error}") from error

    def _records(self, column: Any) -> Iterator[Record]:
        import pyarrow as pa

        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        # as bytes, because Arrow doesn't check that its strings are UTF-8 and one bad value would stop the batch
        for encoded in column.cast(pa.large_binary()).to_pylist():
            row_id = self._rows_read
            self._rows_read += 1
            if encoded is None:
                yield SkippedRow(row_id, "no text")
            else:
                yield record_of(row_id, encoded.decode("utf-8", "surrogateescape"))
