"""Which dialect of CSV a file is in: its delimiter, and which of its first lines are no part of the table.

A delimiter is chosen by reading the first lines with each of the usual ones: the header should have the text column,
and the records as many fields as the header. A first line `sep=;` says the delimiter, as Excel reads it. Lines before
the header that begin with # are comments, unless such a line has the columns' names.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from sparse_autoencoder.data.text_column import PREFERRED_COLUMNS
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.utils.printable import printable

DELIMITERS = (",", ";", "\t", "|", "^", "~", "\x01", "\x1f")
DELIMITER_NAMES = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|"}
_SAMPLED_RECORDS = 200
_LEAST_EVEN = 0.8  # the share of records with the header's number of fields, for a delimiter to be believed
_WORDS_OF_A_NAME = 4
_CHARS_OF_A_NAME = 80
_SEP_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?[\d.,\s%$€]+")


@dataclass(frozen=True)
class CsvDialect:
    """How a CSV file is read: its delimiter, how many physical lines come before the table, and its header."""

    delimiter: str
    lines_before: int = 0
    has_header: bool = True
    header_is_comment: bool = False  # the header's line begins with #, which isn't part of the first column's name


def checked_delimiter(text: str) -> str:
    """The delimiter that a user names: a character, or comma, semicolon, tab or pipe; SaescopeError for others."""
    delimiter = DELIMITER_NAMES.get(text.lower(), text)
    if len(delimiter) != 1 or delimiter in '"\r\n\0 ' or "\ud800" <= delimiter <= "\udfff":
        raise SaescopeError(
            f"{printable(text)!r} can't be the delimiter: give one character, or comma, semicolon, tab or pipe"
        )
    return delimiter


def dialect_of(
    lines: Sequence[str], usual: str, wanted: str | None, delimiter: str | None, has_header: bool
) -> CsvDialect:
    """The dialect of a file that begins with these physical lines.

    `usual` is the delimiter that its extension stands for, `delimiter` the one that the user gave, `wanted` the text
    column that the user gave.
    """
    if lines and (said := _SEP_LINE.fullmatch(lines[0])):
        return CsvDialect(delimiter or said[1], 1, has_header)
    comments = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    names = (wanted,) if wanted is not None else PREFERRED_COLUMNS
    tried = [delimiter] if delimiter is not None else [usual, *(other for other in DELIMITERS if other != usual)]
    if has_header and comments:
        header = lines[comments - 1].lstrip("#").strip()
        for candidate in tried:
            if set(names) & {field.strip() for field in _fields(header, candidate)}:
                return CsvDialect(candidate, comments - 1, header_is_comment=True)
    table = lines[comments:] if comments < len(lines) else lines
    before = comments if comments < len(lines) else 0
    best = max(tried, key=lambda candidate: _fit(table, candidate, names, has_header))
    return CsvDialect(best, before, has_header)


def check_lone_column(column: str, chosen_by_user: bool, has_header: bool, name: str) -> None:
    """Raise SaescopeError if the name of a file's only column holds a delimiter, or looks like a row."""
    if not has_header:
        return
    if held := [delimiter for delimiter in DELIMITERS if delimiter in column]:
        raise SaescopeError(
            f"{name} has a single column, '{printable(column)}', whose name holds {printable(held[0])!r}: if that is "
            f"the delimiter, add --delimiter {_typed(held[0])}; if not, rename the column"
        )
    if chosen_by_user or column in PREFERRED_COLUMNS:
        return
    if len(column.split()) >= _WORDS_OF_A_NAME or len(column) > _CHARS_OF_A_NAME or _NUMBER.fullmatch(column):
        raise SaescopeError(
            f"the first line of {name}, '{printable(column)}', looks like a row rather than a column's name: if it is "
            "one, add --no-header; if not, name the column with --text-column"
        )


def _typed(delimiter: str) -> str:
    """A delimiter as it is typed in a shell."""
    names = {delimiter: name for name, delimiter in DELIMITER_NAMES.items()} | {"\t": "tab"}
    return names.get(delimiter, f"'{delimiter}'" if delimiter.isprintable() else f"$'\\x{ord(delimiter):02x}'")


def _fit(lines: Sequence[str], delimiter: str, names: Sequence[str], has_header: bool) -> tuple[bool, float, int]:
    """How well a delimiter fits; greater is better, and the first of equal ones is taken."""
    records = list(islice(filter(None, _records(lines, delimiter)), _SAMPLED_RECORDS))
    if not records:
        return False, 0.0, 0
    first = records[0]
    rest = records[1:] if has_header else records
    if len(first) < 2:
        return False, 0.0, 1
    even = sum(len(record) == len(first) for record in rest) / len(rest) if rest else 1.0
    named = has_header and any(name in first for name in names)
    if even < _LEAST_EVEN and not named:
        return False, 0.0, 0
    return named, even, len(first)


def _fields(line: str, delimiter: str) -> list[str]:
    return next(_records([line], delimiter), [])


def _records(lines: Sequence[str], delimiter: str) -> Iterator[list[str]]:
    with suppress(csv.Error):  # the sample ends where it can't be parsed
        yield from csv.reader(iter(lines), delimiter=delimiter)


def looks_like_table(lines: Sequence[str], wanted: str | None) -> bool:
    """Whether a text that begins with these lines is a table with several columns, by all that one can see."""
    best = dialect_of(lines, ",", wanted, None, has_header=True)
    records = list(islice(filter(None, _records(lines[best.lines_before :], best.delimiter)), _SAMPLED_RECORDS))
    if len(records) < 2 or len(records[0]) < 2:
        return False
    names = (wanted,) if wanted is not None else PREFERRED_COLUMNS
    even = sum(len(record) == len(records[0]) for record in records) / len(records)
    return even >= _LEAST_EVEN and (len(records) > _WORDS_OF_A_NAME or any(name in records[0] for name in names))
