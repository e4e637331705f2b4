"""One opened file as a table: decompressed, in a known format and encoding, with its text column chosen."""

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparse_autoencoder.data.compression import compression_of, readable
from sparse_autoencoder.data.csv_dialect import checked_delimiter, dialect_of, looks_like_table
from sparse_autoencoder.data.csv_rows import CsvRows
from sparse_autoencoder.data.encodings import MARK_UNDECODABLE, DecodingCheck, checked_encoding, encoding_of
from sparse_autoencoder.data.file_formats import (
    DELIMITERS,
    JSON,
    JSONL,
    PARQUET,
    PARQUET_MAGIC,
    TEXT,
    format_by_name,
    format_of_text,
    refuse_unreadable,
)
from sparse_autoencoder.data.json_rows import read_json, read_jsonl
from sparse_autoencoder.data.kept_columns import refuse_columns
from sparse_autoencoder.data.parquet_rows import ParquetRows
from sparse_autoencoder.data.plain_text import read_text
from sparse_autoencoder.data.row_skip_rules import Record
from sparse_autoencoder.data.source_files import SourceFile, is_zip, only_member, size_of
from sparse_autoencoder.errors import DataError, SaescopeError
from sparse_autoencoder.utils.printable import printable

_START_BYTES = 2**20  # of a file's content, by which format, encoding and delimiter are told
_MOST_LAYERS = 3  # of compression, as a .csv.gz in a zip archive
_MAGIC_BYTES = 8
_BUFFER_BYTES = 2**16
_STDIN = "standard input"


@dataclass(frozen=True)
class ReadingOptions:
    """What a user may say about how a source is to be read; None for what is to be found out."""

    text_column: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    has_header: bool = True
    kept: tuple[str, ...] = ()  # columns to keep with each row (kept_columns.py)


@dataclass
class Table:
    """An opened file: its records, and what was found out about it."""

    name: str  # for messages
    records: Iterator[Record]
    text_column: str | None
    format: str
    size: int | None  # in bytes as stored; None if it isn't a regular file
    fraction_read: Callable[[], float | None]
    facts: dict[str, str | int | None]  # compression, encoding, delimiter, where they apply
    notice: str | None = None


@dataclass
class _Content:
    """A file's decompressed content, from its beginning, of which some bytes are known."""

    name: str
    rest: Any  # a stream of what follows the known bytes
    fraction_of_rest: Callable[[], float | None]  # how far the file is read in all
    start: bytes = b""
    whole: bool = False  # whether these bytes are all
    compression: str | None = None

    def begin(self, enough: Callable[[bytes], bool]) -> None:
        """Know more of its beginning: until that is enough, or all, or no more can be read."""
        pieces = [self.start]
        try:
            while not self.whole and not enough(self.start):
                pieces.append(_read_some(self.rest, _BUFFER_BYTES))
                self.whole = not pieces[-1]
                self.start = b"".join(pieces)
        except Exception as error:
            if not self.start:
                raise
            self.rest, self.whole = _Damaged(error), True  # what comes before the damage is read

    def stream(self) -> io.BufferedReader:
        """All of it."""
        self._joined = _Rejoined(self.start, self.rest)
        self._fraction_at_start = self.fraction_of_rest()
        return io.BufferedReader(self._joined, _BUFFER_BYTES)

    def fraction_read(self) -> float | None:
        """The share of the file, as stored, that the stream's reader has got."""
        at_start, left = self._fraction_at_start, self._joined.left_of_start
        if at_start is not None and left:
            return at_start * (1 - left / len(self.start))
        return self.fraction_of_rest()


class _Rejoined(io.RawIOBase):
    """The first bytes of a stream, which were already read, and then its rest."""

    def __init__(self, start: bytes, rest: Any) -> None:
        self._start = memoryview(start)
        self._rest = rest

    @property
    def left_of_start(self) -> int:
        """How many of the first bytes weren't read again."""
        return len(self._start)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._start[: len(buffer)]
        self._start = self._start[len(piece) :]
        piece = piece or memoryview(_read_some(self._rest, len(buffer)))
        buffer[: len(piece)] = piece
        return len(piece)


class _Damaged:
    """In the place of a stream that can't be read on."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def read(self, _most: int) -> bytes:
        raise self._error

    def close(self) -> None:
        """Nothing is open."""


def open_stdin(forced: str | None, options: ReadingOptions, resources: ExitStack) -> Table:
    """Standard input as a table; plain text if no format is forced and its beginning doesn't tell another."""
    try:
        raw = resources.enter_context(os.fdopen(0, "rb", closefd=False))
    except OSError as error:
        raise SaescopeError(f"standard input can't be read: {error.strerror}") from error
    return _Opening(_STDIN, raw, None, TEXT, forced, options, resources, "-").table()


def open_table(
    file: SourceFile, forced: str | None, options: ReadingOptions, resources: ExitStack, typed: str
) -> Table:
    """A file as a table; `resources` closes it, `typed` is the source as it is typed, for messages.

    Raises SaescopeError if the file can't be read.
    """
    raw = open_file(file.path, resources)
    return _Opening(file.name, raw, file, format_by_name(file.name), forced, options, resources, typed).table()


def open_file(path: Path, resources: ExitStack) -> io.BufferedReader:
    """Open a file; `resources` closes it. Raises SaescopeError if it can't be opened."""
    shown = printable(str(path))
    try:
        return resources.enter_context(path.open("rb"))
    except FileNotFoundError as error:
        raise SaescopeError(f"there is no file {shown}; check the path given as the source") from error
    except IsADirectoryError as error:
        raise SaescopeError(f"{shown} is a folder, where a file is needed") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise SaescopeError(f"{shown} can't be read: {getattr(error, 'strerror', None) or error}") from error


@dataclass
class _Opening:
    """Opens one file, step by step: compression, format, encoding, text column."""

    name: str
    raw: io.BufferedReader
    file: SourceFile | None  # None for standard input
    expected: str | None  # the format by the file's name
    forced: str | None
    options: ReadingOptions
    resources: ExitStack
    typed: str

    def table(self) -> Table:
        with readable(self.name):
            self.size = None if self.file is None else size_of(self.file.path)
            content = _Content(self.name, self.raw, self._fraction_of_bytes)
            content.begin(lambda start: len(start) >= _MAGIC_BYTES)
            if not content.start:
                raise DataError(f"{self.name} is empty")
            if content.start.startswith(PARQUET_MAGIC) and self.forced in (None, PARQUET):
                return self._parquet()
            self._decompress(content)
            content.begin(self._is_enough)
            if not content.start:
                raise DataError(f"{content.name} is empty")
            if content.start.startswith(PARQUET_MAGIC) and self.forced in (None, PARQUET):
                raise SaescopeError(f"{content.name} is Parquet compressed with {content.compression}: unpack it first")
            if self.forced == PARQUET:
                raise DataError(f"{content.name} isn't a Parquet file: it doesn't begin with PAR1")
            if self.forced is None:
                refuse_unreadable(content.start, content.name, self.typed)
            return self._text(content)

    def _is_enough(self, start: bytes) -> bool:
        # what comes through a pipe may come slowly
        return len(start) >= _START_BYTES or (self.size is None and b"\n" in start)

    def _fraction_of_bytes(self) -> float | None:
        return min(1.0, self.raw.tell() / self.size) if self.size and not self.raw.closed else None

    def _parquet(self) -> Table:
        if self.size is None:
            raise SaescopeError(f"Parquet can't be read from {self.name}: give the path of a file")
        options = self.options
        encoding = "utf-8" if options.encoding is None else checked_encoding(options.encoding)
        rows = ParquetRows(self.raw, options.text_column, self.name, encoding, options.kept)
        return Table(self.name, iter(rows), rows.column, PARQUET, self.size, rows.fraction_read, {})

    def _decompress(self, content: _Content) -> None:
        """Remove the layers of compression, if there are any."""
        kinds: list[str] = []
        while len(kinds) < _MOST_LAYERS:
            if is_zip(content.start):
                if self.file is None or kinds:
                    raise SaescopeError(f"{content.name} is a zip archive that isn't a file: unpack it first")
                self._open_member(content, self.file)
                kinds.append("zip")
            elif (found := compression_of(content.start)) is not None:
                content.rest = found.open(content.stream())
                self.resources.callback(content.rest.close)
                kinds.append(found.name)
            else:
                break
            content.start, content.whole = b"", False
            content.begin(lambda start: len(start) >= _MAGIC_BYTES)
        content.compression = " in ".join(reversed(kinds)) or None

    def _open_member(self, content: _Content, file: SourceFile) -> None:
        """Go on with the content of a zip archive's only file, or of the one that the source names."""
        member = file.member or only_member(file.path)
        archive = self.resources.enter_context(zipfile.ZipFile(file.path))
        try:
            stream = self.resources.enter_context(archive.open(member))
        except (RuntimeError, NotImplementedError) as error:  # encrypted; a method that Python doesn't have
            raise DataError(f"{file.name} can't be unpacked: {error}") from error
        size = archive.getinfo(member).file_size
        content.name = SourceFile(file.path, member).name
        content.rest = stream
        content.fraction_of_rest = lambda: min(1.0, stream.tell() / size) if size and not stream.closed else None

    def _text(self, content: _Content) -> Table:
        options, name = self.options, content.name
        encoding = encoding_of(content.start, content.whole, options.encoding, name)
        lines = _first_lines(content, encoding)
        expected = format_by_name(name) or self.expected
        kind = format_of_text(lines, expected, self.forced, options.text_column, name, self.typed)
        only_cr = "\n" not in "".join(lines) and "\r" in "".join(lines)
        # "\n" alone ends a line: a line that is cut at the length limit must not be cut within its "\r\n"
        stream = io.TextIOWrapper(
            content.stream(), encoding=encoding, errors=MARK_UNDECODABLE, newline=None if only_cr else "\n"
        )
        self.resources.callback(stream.close)
        facts: dict[str, str | int | None] = {"compression": content.compression}
        if encoding.removesuffix("-sig") != "utf-8":
            facts["encoding"] = encoding
        records, column = self._records(stream, lines, kind, name, facts)
        check = DecodingCheck(name, encoding, forced=options.encoding is not None)
        table = Table(name, check.checked(records), column, kind, self.size, content.fraction_read, facts)
        if kind == TEXT and self.forced is None and looks_like_table(lines, None):
            table.notice = (
                f"{name} is read as plain text, a row for each line, but looks like a table: if it is one, read it "
                f"as --source csv:{self.typed}"
            )
        return table

    def _records(
        self, stream: io.TextIOWrapper, lines: list[str], kind: str, name: str, facts: dict[str, str | int | None]
    ) -> tuple[Iterator[Record], str | None]:
        options = self.options
        if kind in DELIMITERS:
            given = None if options.delimiter is None else checked_delimiter(options.delimiter)
            dialect = dialect_of(lines, DELIMITERS[kind], options.text_column, given, options.has_header)
            if dialect.delimiter != DELIMITERS[kind]:
                facts["delimiter"] = dialect.delimiter
            rows = CsvRows(stream, dialect, options.text_column, name, options.kept)
            return iter(rows), rows.column
        if options.delimiter is not None or not options.has_header:
            flag = "--no-header" if options.delimiter is None else "--delimiter"
            raise SaescopeError(
                f"{name} is read as {kind}, where {flag} means nothing; leave it out, or say csv:{self.typed}"
            )
        if kind in (JSON, JSONL):
            return (read_json if kind == JSON else read_jsonl)(stream, options.text_column, name, options.kept)
        if options.text_column is not None:
            raise SaescopeError(
                f"{name} is read as plain text, which has no columns; leave out --text-column "
                f"{printable(options.text_column)}"
            )
        refuse_columns(options.kept, name, "plain text")
        return read_text(stream), None


def _first_lines(content: _Content, encoding: str) -> list[str]:
    """The complete lines of a text's beginning, or its only line as far as it is known."""
    text = content.start.decode(encoding, MARK_UNDECODABLE)
    lines = text.splitlines(keepends=True) if "\n" not in text else [f"{line}\n" for line in text.split("\n")]
    return lines if content.whole or len(lines) == 1 else lines[:-1]


def _read_some(stream: Any, most: int) -> bytes:
    """The next bytes, as soon as some are there; none at the end."""
    return bytes(stream.read1(most) if hasattr(stream, "read1") else stream.read(most))
