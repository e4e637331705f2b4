"""CSV and TSV -> records, with recovery from broken quoting.

Python's `csv` module (strict) parses. In addition, a stray quote can't swallow the rest of the file: a quoted field may
span lines, so a quote that is never closed looks like one endless record. A record is broken if it isn't closed within
MAX_ROW_CHARS or by the end of the file, if `csv` refuses it, or if it spans several lines and has the wrong number of
fields. Then its first physical line is skipped, and reading goes on at the next line. A blank line is no record, as in
pandas. A line of only spaces is no record either, unless there is only one column.
"""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TextIO

from sparse_autoencoder.data.csv_dialect import CsvDialect, check_lone_column
from sparse_autoencoder.data.kept_columns import indices_of, kept_values
from sparse_autoencoder.data.plain_text import physical_lines
from sparse_autoencoder.data.row_skip_rules import MAX_ROW_CHARS, Record, SkippedRow, record_of, too_long
from sparse_autoencoder.data.text_column import choose_text_column
from sparse_autoencoder.errors import DataError

_UNCLOSED = "a quoted field that is never closed"
_LEAST_LOOKAHEAD_CHARS = 2**10
_REASONS = {  # part of csv.Error's message -> our reason
    "unexpected end of data": _UNCLOSED,
    "expected after": "text after a closing quote",
    "new-line character": "a carriage return outside quotes",
}


class _BrokenRecordError(Exception):
    """The record that is being read is broken; the message is the reason."""


class _LineTooLongError(Exception):
    """The first physical line of a record is longer than MAX_ROW_CHARS."""


class _Feed:
    """Gives physical lines to `csv.reader`, and keeps them until their record is complete."""

    def __init__(self, lines: Iterator[str | None]) -> None:
        self._lines = lines
        self._again: deque[str | None] = deque()  # lines of a broken record, to be read again
        self.record: list[str] = []  # the lines of the record that is being read
        self.lookahead_chars = MAX_ROW_CHARS  # how many characters they may have together, if there is more than one

    def __iter__(self) -> Iterator[str]:
        chars = 0
        while True:
            line = self._again.popleft() if self._again else next(self._lines, "")
            if line is None:
                if self.record:
                    self._again.appendleft(line)
                    raise self._unclosed()
                raise _LineTooLongError
            if not line:
                return
            chars = chars + len(line) if self.record else len(line)
            self.record.append(line)
            if chars > self.lookahead_chars and len(self.record) > 1:
                raise self._unclosed()
            yield line

    def accept(self) -> None:
        """The record is complete: forget its lines."""
        self.record.clear()
        self.lookahead_chars = MAX_ROW_CHARS

    def unread(self) -> None:
        """Have the record's lines read again."""
        self._again.extendleft(reversed(self.record))
        self.record.clear()

    def drop_first_line(self) -> None:
        """Skip the record's first line, and read its other lines again."""
        self._again.extendleft(reversed(self.record[1:]))
        self.record.clear()
        # with many broken records in a row, reading that far ahead for each of them would take for ever
        self.lookahead_chars = max(_LEAST_LOOKAHEAD_CHARS, self.lookahead_chars // 2)

    def _unclosed(self) -> _BrokenRecordError:
        return _BrokenRecordError(f"a quoted field that isn't closed within {self.lookahead_chars:,} characters")


class CsvRows:
    """Records of a CSV or TSV stream. Creating it reads the header and chooses the text column.

    Raises SaescopeError if the header can't be parsed or doesn't have the wanted column.
    """

    def __init__(
        self, stream: TextIO, dialect: CsvDialect, wanted: str | None, name: str, kept: Sequence[str] = ()
    ) -> None:
        # the csv module's limit is global, and lower than ours
        csv.field_size_limit(max(csv.field_size_limit(), 2 * MAX_ROW_CHARS))
        self._dialect = dialect
        lines = physical_lines(stream)
        for _ in range(dialect.lines_before):
            next(lines, None)
        self._feed = _Feed(lines)
        self._header = self._read_header(name)
        self.column = choose_text_column(self._header, wanted, name)
        self._index = self._header.index(self.column)
        self._kept = indices_of(kept, self._header, name)
        if len(self._header) == 1:
            check_lone_column(self.column, wanted is not None, dialect.has_header, name)

    def _reader(self) -> Iterator[list[str]]:
        # a reader can't be used after an error, so each recovery makes a new one
        return csv.reader(iter(self._feed), delimiter=self._dialect.delimiter, strict=True)

    def _read_header(self, name: str) -> list[str]:
        """The columns' names; without a header their numbers, and the first record is read again as a row."""
        try:
            for fields in self._reader():
                if not self._dialect.has_header and fields:
                    self._feed.unread()
                    return [str(number) for number in range(len(fields))]
                self._feed.accept()
                if fields:
                    return self._names(fields)
        except (csv.Error, _BrokenRecordError) as error:
            raise DataError(f"the header of {name} can't be read: {_reason(error)}") from error
        except _LineTooLongError as error:
            raise DataError(
                f"the first line of {name} is longer than {MAX_ROW_CHARS:,} characters; is this the right format?"
            ) from error
        raise DataError(f"{name} has no header: it holds only blank lines")

    def _names(self, fields: list[str]) -> list[str]:
        if self._dialect.header_is_comment and fields[0] != "#":
            fields[0] = fields[0].lstrip("#")
        return [field.strip() for field in fields]

    def __iter__(self) -> Iterator[Record]:
        row_id = 0
        records = self._records()
        while True:
            try:
                for fields in records:
                    yield self._row(row_id, fields) if isinstance(fields, list) else SkippedRow(row_id, fields)
                    row_id += 1
                return
            except (csv.Error, _BrokenRecordError) as error:
                yield SkippedRow(row_id, _reason(error))
                self._feed.drop_first_line()
            except _LineTooLongError:
                yield too_long(row_id)
            row_id += 1
            records = self._records()

    def _row(self, row_id: int, fields: list[str]) -> Record:
        columns = kept_values([fields[index] for index in self._kept]) if self._kept else ()
        return record_of(row_id, fields[self._index], columns)

    def _records(self) -> Iterator[list[str] | str]:
        """Each record's fields, or the reason why it has none; ends with an exception at a broken record."""
        feed, width = self._feed, len(self._header)
        for fields in self._reader():
            if len(fields) == width:
                feed.accept()
                yield fields
                continue
            if not fields or (len(fields) == 1 and feed.record[0].isspace()):
                feed.accept()
                continue
            wrong = f"{len(fields)} field{'s' if len(fields) > 1 else ''} where the header has {width}"
            if len(feed.record) > 1:
                raise _BrokenRecordError(f"{wrong}, over several lines: a stray quote?")
            feed.accept()
            yield wrong


def _reason(error: Exception) -> str:
    message = str(error)
    return next((reason for words, reason in _REASONS.items() if words in message), message)
