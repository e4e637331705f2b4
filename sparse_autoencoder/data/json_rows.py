"""JSON -> records: JSON Lines, an array of objects or of strings, or objects one after the other over several lines.

Numbers keep the digits that they are written with, as in a CSV file.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, TextIO

from sparse_autoencoder.data.kept_columns import kept_values, refuse_columns
from sparse_autoencoder.data.nested_fields import NoTextError, TextField, choose_kept_fields, choose_text_field
from sparse_autoencoder.data.plain_text import physical_lines
from sparse_autoencoder.data.row_skip_rules import MAX_ROW_CHARS, Record, SkippedRow, record_of, too_long
from sparse_autoencoder.errors import DataError, SaescopeError

_SAMPLED_RECORDS = 100  # JSON has no header, so the columns are the keys of the first objects
_PIECE_CHARS = 2**16
_MAX_VALUE_CHARS = 4 * MAX_ROW_CHARS  # of an object in an array; longer ones are skipped
_SPACE = re.compile(r"[\s\ufeff]*")
_STRUCTURE = re.compile(r'["\[\]{}]')  # what matters for the end of a value
_REST_OF_STRING = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_WORD = re.compile(r"[^\s,\[\]{}]*")
_LONGEST_LITERAL = len("-Infinity")
_LEAST_LEFT = 2  # characters, so that a backslash and what it escapes aren't parted

_SCALAR = r'(?:"[^"\\]*"|[\w.+-]+)'
_WRAPPER = re.compile(rf'\s*{{\s*(?:"[^"\\]*"\s*:\s*{_SCALAR}\s*,\s*)*"([^"\\]*)"\s*:\s*(?=\[\s*{{)')

TOO_LONG = object()
INVALID = object()
"""In the place of values that were skipped."""

Value = Any


def read_jsonl(
    stream: TextIO, wanted: str | None, name: str, kept: Sequence[str] = ()
) -> tuple[Iterator[Record], str | None]:
    """Records of JSON Lines (one object per line), and the name of the text column.

    Raises SaescopeError if none of the first lines has the wanted key, or if no key can be chosen.
    """
    values = (
        TOO_LONG if line is None else _parsed(line)
        for line in physical_lines(stream)
        if line is None or line.strip()  # a blank line is no record
    )
    return _records(values, wanted, name, kept, "JSON Lines: none of its first lines is an object with keys")


def read_json(
    stream: TextIO, wanted: str | None, name: str, kept: Sequence[str] = ()
) -> tuple[Iterator[Record], str | None]:
    """Records of a JSON array, or of JSON values one after the other, and the name of the text column (None if texts).

    Raises SaescopeError as `read_jsonl`, and while reading where the file isn't JSON any more.
    """
    values = _JsonValues(stream, name, wanted)
    return _records(iter(values), wanted, name, kept, "JSON with rows: it must hold objects with keys, or strings")


def _records(
    values: Iterator[Value], wanted: str | None, name: str, kept: Sequence[str], expected: str
) -> tuple[Iterator[Record], str | None]:
    sample: list[Value] = []
    sampled_chars = 0
    for value in islice(values, _SAMPLED_RECORDS):
        sample.append(value)
        sampled_chars += len(str(value)) if isinstance(value, dict | str) else 0
        if sampled_chars > MAX_ROW_CHARS:
            break
    objects = [value for value in sample if isinstance(value, dict) and value]
    rest = chain(sample, values)
    if not objects and wanted is None and any(isinstance(value, str) for value in sample):
        refuse_columns(kept, name, "a list of strings")
        return _records_of_strings(rest), None
    if sample and not objects:
        raise DataError(f"{name} isn't {expected}")
    if not sample:
        return iter(()), wanted
    field = choose_text_field(objects, wanted, name)
    return _records_of_objects(rest, field, choose_kept_fields(objects, kept, name)), field.name


def _records_of_strings(values: Iterator[Value]) -> Iterator[Record]:
    for row_id, value in enumerate(values):
        if value is TOO_LONG:
            yield too_long(row_id)
        else:
            yield record_of(row_id, value) if isinstance(value, str) else SkippedRow(row_id, "not a string")


def _records_of_objects(values: Iterator[Value], field: TextField, kept: Sequence[TextField]) -> Iterator[Record]:
    for row_id, value in enumerate(values):
        yield _record(row_id, value, field, kept)


def _record(row_id: int, value: Value, field: TextField, kept: Sequence[TextField]) -> Record:
    if value is TOO_LONG:
        return too_long(row_id)
    if value is INVALID:
        return SkippedRow(row_id, "not valid JSON")
    if not isinstance(value, Mapping):
        return SkippedRow(row_id, "not a JSON object")
    try:
        return record_of(row_id, field.text_of(value), kept_values([one.text_or_none(value) for one in kept]))
    except NoTextError as reason:
        return SkippedRow(row_id, str(reason))


def _parsed(line: str) -> Value:
    try:
        return _DECODER.decode(line.strip().lstrip("\ufeff"))
    except (ValueError, RecursionError):  # deep nesting overflows the parser
        return None


def is_json_object(line: str) -> bool:
    """Whether a line is a JSON object."""
    return isinstance(_parsed(line), dict)


_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


class _JsonValues:
    """The elements of an array, or the values that stand one after the other; read piece by piece."""

    def __init__(self, stream: TextIO, name: str, wanted: str | None) -> None:
        self._stream = stream
        self._wanted = wanted
        self._name = name
        self._text = ""
        self._at = 0
        self._ended = False
        self._count = 0

    def __iter__(self) -> Iterator[Value]:
        wrapped = self._enter_wrapper()
        if self._next_char() != "[":
            while self._next_char():
                yield self._checked_value()
            return
        yield from self._elements()
        if wrapped:
            self._skipped(None, depth=1)
        if self._next_char():
            raise self._error("something follows its end")

    def _enter_wrapper(self) -> bool:
        """Whether the file is an object around an array of objects, such as {"data": [{…}]}; then go to the array."""
        self._next_char()
        self._read(_PIECE_CHARS)
        found = _WRAPPER.match(self._text)
        if found is None or (self._wanted or "").split(".")[0] == found[1]:
            return False
        self._at = found.end()
        return True

    def _elements(self) -> Iterator[Value]:
        """The elements of the array that begins here; a comma after the last one is let pass."""
        self._at += 1
        while self._next_char() != "]":
            yield self._checked_value()
            char = self._next_char()
            if char == ",":
                self._at += 1
            elif char != "]":
                raise self._error("a comma is missing" if char else "it ends early")
        self._at += 1

    def _checked_value(self) -> Value:
        if not (char := self._next_char()):
            raise self._error("it ends early")
        before = self._at
        value = self._value()
        if value is INVALID and self._at == before:
            raise self._error(f"there is {char!r} where a value should begin")
        self._count += 1
        return value

    def _value(self) -> Value:
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except RecursionError:
                return self._skipped(INVALID)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated") or error.pos > len(self._text) - _LONGEST_LITERAL
                if not cut or self._ended:
                    return self._skipped(INVALID)
                if len(self._text) - self._at > _MAX_VALUE_CHARS:
                    return self._skipped(TOO_LONG)
            else:
                # a number that ends with the piece may go on in the next
                if end < len(self._text) or self._ended or self._text[end - 1] in '"]}':
                    self._at = end
                    return value
            self._read(max(_PIECE_CHARS, len(self._text) - self._at))

    def _skipped(self, instead: Value, depth: int = 0) -> Value:
        """Skip a value, however long it is, to where its brackets are closed."""
        if depth == 0 and self._text[self._at] not in '"[{':
            self._at = _WORD.match(self._text, self._at).end()  # type: ignore[union-attr]
            return instead
        in_string = False
        while True:
            if in_string:
                self._at = _REST_OF_STRING.match(self._text, self._at).end()  # type: ignore[union-attr]
                if self._at < len(self._text) and self._text[self._at] == '"':
                    self._at, in_string = self._at + 1, False
            else:
                found = _STRUCTURE.search(self._text, self._at)
                self._at = found.end() if found else len(self._text)
                in_string = found is not None and found[0] == '"'
                depth += 0 if found is None else (found[0] in "[{") - (found[0] in "]}")
            if depth == 0 and not in_string:
                return instead
            if len(self._text) - self._at < _LEAST_LEFT:
                if self._ended and (in_string or self._at == len(self._text)):
                    raise self._error("it ends early")
                self._read(_PIECE_CHARS)

    def _next_char(self) -> str:
        """The next character that isn't white space, which isn't taken; empty at the end."""
        while True:
            space = _SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if self._ended:
                return ""
            self._read(_PIECE_CHARS)

    def _read(self, chars: int) -> None:
        piece = self._stream.read(chars)
        self._ended = not piece
        self._text = self._text[self._at :] + piece
        self._at = 0

    def _error(self, why: str) -> SaescopeError:
        return SaescopeError(f"{self._name} isn't sound JSON after {self._count:,} values: {why}")
