"""Opens a text dataset and streams its records.

A source is written `[FORMAT:]WHERE`. WHERE is a path, `-` for standard input, or
`kaggle:owner/name[/versions/N][/file]`. FORMAT (csv, tsv, jsonl, txt, parquet) is taken from the file's extension if
it isn't given. Gzip (by the extension `.gz`, or by the content's first bytes) is decompressed while reading.
"""

import gzip
import io
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from sparse_autoencoder.data.csv_rows import CsvRows
from sparse_autoencoder.data.json_rows import read_jsonl
from sparse_autoencoder.data.parquet_rows import ParquetRows
from sparse_autoencoder.data.plain_text import read_text
from sparse_autoencoder.data.row_skip_rules import MAX_ROW_CHARS, Record, SkippedRow, record_of
from sparse_autoencoder.errors import SaescopeError

DEFAULT_SOURCE = "kaggle:miguelaenlle/massive-stock-news-analysis-db-for-nlpbacktests/analyst_ratings_processed.csv"

FORMATS = {  # by extension
    "csv": "csv",
    "tsv": "tsv",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "txt": "txt",
    "parquet": "parquet",
}
_DELIMITERS = {"csv": ",", "tsv": "\t"}
_KAGGLE = "kaggle:"
_GZIP_MAGIC = b"\x1f\x8b"
_UTF16_MAGIC = (b"\xff\xfe", b"\xfe\xff")

Description = dict[str, str | int | None]


@dataclass(frozen=True, slots=True)
class _Place:
    """An opened input whose format is not read yet; `size` is in bytes, None if it isn't a regular file."""

    name: str  # for messages
    file: IO[bytes]
    size: int | None


class Source:
    """An opened dataset: a context manager, and an iterator over its records that can be used once, like an open file.

    Records come in the order of the file; `row_id` counts them from 0. Iterating raises SaescopeError if the input is
    damaged or has no record at all.
    """

    def __init__(
        self,
        records: Iterator[Record],
        description: Description,
        fraction_read: Callable[[], float | None],
        resources: ExitStack,
    ) -> None:
        self._records = records
        self._description = description
        self._fraction_read = fraction_read
        self._resources = resources

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Record]:
        return self._records

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._resources.close()

    def describe(self) -> Description:
        """What metadata.json records about the source: as given, the file's name, size in bytes, format, text column.

        Kaggle sources also have `kaggle_version` and `notice`; the notice depends on the connection, not on the data.
        """
        return dict(self._description)

    @property
    def notice(self) -> str | None:
        """A message for the user about this source, such as that a cached version is used; or None."""
        notice = self._description.get("notice")
        return None if notice is None else str(notice)

    @property
    def is_stream(self) -> bool:
        """Whether reading may have to wait for a writer, as with a pipe."""
        return self._description.get("bytes") is None

    def fraction_read(self) -> float | None:
        """The share that was read, 0 to 1, of the file as stored (compressed); None if unknown."""
        return self._fraction_read()


def open_source(source: str, text_column: str | None = None) -> Source:
    """Open a source and choose its text column: the given one, else `title`, `text`, or the only one.

    Raises SaescopeError if there is no such file, it is empty, its format is unknown or it has no such column.
    """
    forced_format, where = _split_format(source)
    facts: Description = {"source": source}
    if where.startswith(_KAGGLE):
        from sparse_autoencoder.data import kaggle  # imported here because it imports an HTTP client

        found = kaggle.locate(where.removeprefix(_KAGGLE), readable=lambda name: _format_of(name) is not None)
        facts |= {"kaggle_dataset": found.dataset, "kaggle_version": found.version, "notice": found.notice}
        where = str(found.path)
    with ExitStack() as resources:
        place = _open_stdin(resources) if where == "-" else _open_file(Path(where), resources)
        row_format = forced_format or ("txt" if where == "-" else _format_of(where))
        if row_format is None:
            raise SaescopeError(
                f"{place.name} has no known extension ({', '.join('.' + name for name in FORMATS)}, or these with .gz)"
                f"; name its format, as in --source csv:{where}"
            )
        facts |= {"file": place.name, "bytes": place.size, "format": row_format}
        return _read(place, row_format, text_column, facts, resources)


def prompt_file(path: str | Path) -> Source:
    """A text file as a source of a single row, row 0.

    Raises SaescopeError if it can't be read or holds no usable text.
    """
    path = Path(path)
    with ExitStack() as resources:
        place = _open_file(path, resources)
        stream = io.TextIOWrapper(place.file, encoding="utf-8-sig", errors="surrogateescape")
        record = record_of(0, stream.read(MAX_ROW_CHARS + 1))
    if isinstance(record, SkippedRow):
        raise SaescopeError(f"the prompt file {path} can't be used: {record.reason}")
    description: Description = {"source": str(path), "file": path.name, "format": "prompt"}
    return Source(iter([record]), description, lambda: None, ExitStack())


def single_row(source: Source, row_id: int) -> Source:
    """A source of only the row `row_id` of another source; closing it closes that one.

    Raises SaescopeError at once if `row_id` is negative, and while iterating if the source has fewer rows.
    """
    if row_id < 0:
        raise SaescopeError(f"there is no row {row_id}: rows are counted from 0")
    resources = ExitStack()
    resources.enter_context(source)
    return Source(_only(source, row_id), source.describe() | {"row": row_id}, source.fraction_read, resources)


def _only(source: Source, row_id: int) -> Iterator[Record]:
    count = 0
    for record in source:
        if record.row_id == row_id:
            yield record
            return
        count += 1
    raise SaescopeError(f"there is no row {row_id}: {source.describe()['file']} has {count:,} rows, counted from 0")


def _split_format(source: str) -> tuple[str | None, str]:
    prefix, colon, rest = source.partition(":")
    return (prefix, rest) if colon and prefix in FORMATS.values() else (None, source)


def _format_of(name: str) -> str | None:
    path = Path(name.lower())
    if path.suffix == ".gz":
        path = path.with_suffix("")
        if path.suffix == ".parquet":
            return None  # can't be streamed
    return FORMATS.get(path.suffix.removeprefix("."))


def _open_stdin(resources: ExitStack) -> _Place:
    try:
        file = resources.enter_context(os.fdopen(0, "rb", closefd=False))
    except OSError as error:
        raise SaescopeError(f"standard input can't be read: {error.strerror}") from error
    return _Place("standard input", file, None)


def _open_file(path: Path, resources: ExitStack) -> _Place:
    try:
        file = resources.enter_context(path.open("rb"))
    except FileNotFoundError as error:
        raise SaescopeError(f"there is no file {path}; check the path given as the source") from error
    except IsADirectoryError as error:
        raise SaescopeError(f"{path} is a folder; give one file in it as the source") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise SaescopeError(f"{path} can't be read: {error}") from error
    status = os.fstat(file.fileno())
    return _Place(path.name, file, status.st_size if stat.S_ISREG(status.st_mode) else None)


def _read(place: _Place, row_format: str, text_column: str | None, facts: Description, resources: ExitStack) -> Source:
    """The source of an opened input. It becomes the owner of `resources`."""
    fraction_read: Callable[[], float | None]
    with _readable(place.name):
        start = place.file.peek(2)[:2] if isinstance(place.file, io.BufferedReader) else b""
        if not start:
            raise SaescopeError(f"{place.name} is empty")
        if row_format == "parquet":
            if place.size is None:
                raise SaescopeError(f"Parquet can't be read from {place.name}: give the path of a file")
            parquet = ParquetRows(place.file, text_column, place.name)
            facts |= {"text_column": parquet.column}
            records, fraction_read = iter(parquet), parquet.fraction_read
        else:
            stream = resources.enter_context(_text_stream(place, start, resources))
            records, column = _text_records(stream, row_format, text_column, place.name)
            facts |= {"text_column": column, "compression": "gzip" if start == _GZIP_MAGIC else None}
            fraction_read = _fraction_of_bytes(place)
    return Source(_checked(records, place.name), facts, fraction_read, resources.pop_all())


def _text_stream(place: _Place, start: bytes, resources: ExitStack) -> io.TextIOWrapper:
    if start in _UTF16_MAGIC:
        raise SaescopeError(f"{place.name} is UTF-16; convert it to UTF-8 first, as with `iconv -f UTF-16 -t UTF-8`")
    content: IO[bytes] | gzip.GzipFile = place.file
    if start == _GZIP_MAGIC or place.name.lower().endswith(".gz"):
        content = gzip.GzipFile(fileobj=place.file, mode="rb")
        resources.callback(content.close)
    # only "\n" ends a line: a line that is cut at the length limit must not be cut within its "\r\n"
    return io.TextIOWrapper(content, encoding="utf-8-sig", errors="surrogateescape", newline="\n")


def _text_records(
    stream: io.TextIOWrapper, row_format: str, wanted: str | None, name: str
) -> tuple[Iterator[Record], str | None]:
    if row_format in _DELIMITERS:
        rows = CsvRows(stream, _DELIMITERS[row_format], wanted, name)
        return iter(rows), rows.column
    if row_format == "jsonl":
        return read_jsonl(stream, wanted, name)
    if wanted is not None:
        raise SaescopeError(f"{name} is read as plain text, which has no columns; leave out --text-column {wanted}")
    return read_text(stream), None


def _fraction_of_bytes(place: _Place) -> Callable[[], float | None]:
    def fraction_read() -> float | None:
        if place.size is None or place.size == 0 or place.file.closed:
            return None
        return min(1.0, place.file.tell() / place.size)

    return fraction_read


def _checked(records: Iterator[Record], name: str) -> Iterator[Record]:
    """The records; damaged input raises a SaescopeError that says after how many rows."""
    count = 0
    with _readable(name, lambda: f" after {count:,} rows"):
        for record in records:
            yield record
            count += 1
    if count == 0:
        raise SaescopeError(f"{name} has no rows")


@contextmanager
def _readable(name: str, where: Callable[[], str] = lambda: "") -> Iterator[None]:
    try:
        yield
    except EOFError as error:
        raise SaescopeError(f"{name} is a truncated gzip file: it ends early{where()}; copy it again") from error
    except (OSError, zlib.error) as error:
        raise SaescopeError(f"{name} can't be read on{where()}: {error}") from error
