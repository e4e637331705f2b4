"""Opens a text dataset and streams its records.

A source is written `[FORMAT:]WHERE`. WHERE is the path of a file or a folder, a pattern, `-` for standard input,
`kaggle:owner/name[/versions/N][/file]` or `hf:owner/name[@revision][/config][/split]`. FORMAT (`file_formats.py`) is
found out if it isn't given.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

from sparse_autoencoder.data.compression import readable
from sparse_autoencoder.data.encodings import MARK_UNDECODABLE, encoding_of
from sparse_autoencoder.data.file_formats import format_by_name, split_format
from sparse_autoencoder.data.row_skip_rules import MAX_ROW_CHARS, Record, Row, SkippedRow, record_of
from sparse_autoencoder.data.source_files import SourceFile, local_files, other_shards
from sparse_autoencoder.data.table import ReadingOptions, Table, open_file, open_stdin, open_table
from sparse_autoencoder.errors import DataError, SaescopeError
from sparse_autoencoder.utils.printable import printable

DEFAULT_SOURCE = "kaggle:miguelaenlle/massive-stock-news-analysis-db-for-nlpbacktests/analyst_ratings_processed.csv"

KAGGLE = "kaggle:"
HUGGING_FACE = ("hf://datasets/", "hf://", "hf:")

Description = dict[str, str | int | None]


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

        Where there is something to say: `files` (their number), `delimiter`, `encoding`, `compression`, the version of
        a dataset of Kaggle or the hub, and `notice`, which depends on the connection, not on the data.
        """
        return dict(self._description)

    def reading(self) -> str:
        """A sentence for the user about what is read: the text column, the file, and in which format it is."""
        facts = self._description
        details = [str(facts["format"])]
        if facts.get("delimiter"):
            details.append(f"delimiter {facts['delimiter']!r}")
        details += [
            f"{word} {facts[key]}" for key, word in (("encoding", "in"), ("compression", "in")) if facts.get(key)
        ]
        if facts.get("files"):
            details.append(f"{facts['files']} files")
        column = facts.get("text_column")
        what = "reading" if column is None else f"reading the column '{column}' of"
        return f"{what} {facts['file']} ({', '.join(details)})"

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


@dataclass(frozen=True)
class _Found:
    """The files that a source names, in the order of reading, and what to record about them."""

    name: str  # of all together, for messages
    files: Sequence[Callable[[], SourceFile]]  # a file is downloaded when it is its turn
    facts: Description
    notices: tuple[str | None, ...] = ()


def open_source(source: str, options: ReadingOptions | None = None) -> Source:
    """Open a source and choose its text column: the given one, else `title`, `text`, or the only one.

    Raises SaescopeError if there is no such file, it is empty, its format is unknown or it has no such column.
    """
    options = options or ReadingOptions()
    forced, where = split_format(source)
    facts: Description = {"source": printable(source)}
    with ExitStack() as resources:
        if where == "-":
            found = _Found("standard input", [], {})
            table = open_stdin(forced, options, resources)
        else:
            found = _find(where)
            table = open_table(found.files[0](), forced, options, resources, printable(where))
        facts |= found.facts | {"file": found.name, "format": table.format}
        facts.setdefault("bytes", table.size)
        if len(found.files) > 1:
            facts["files"] = len(found.files)
        facts |= {"text_column": None if table.text_column is None else printable(table.text_column), **table.facts}
        notices = [notice for notice in (*found.notices, table.notice) if notice]
        facts |= {"notice": "; ".join(notices)} if notices else {}
        options = replace(options, text_column=table.text_column)
        reading = _Reading(table, found, forced, options, resources.pop_all(), printable(where))
    return Source(reading.records(), facts, reading.fraction_read, reading.resources)


def _find(where: str) -> _Found:
    hub = next((where[len(prefix) :] for prefix in HUGGING_FACE if where.startswith(prefix)), None)
    if hub is not None:
        from sparse_autoencoder.data import hugging_face_datasets  # imported here because it imports an HTTP client

        dataset = hugging_face_datasets.locate(hub)
        return _Found(dataset.name, dataset.files, dict(dataset.facts), (dataset.notice,))
    if where.startswith(KAGGLE):
        from sparse_autoencoder.data import kaggle  # the same

        file = kaggle.locate(where.removeprefix(KAGGLE), readable=lambda name: format_by_name(name) is not None)
        facts: Description = {"kaggle_dataset": file.dataset, "kaggle_version": file.version}
        return _Found(file.path.name, [lambda: SourceFile(file.path)], facts, (file.notice,))
    files = local_files(where)
    if len(files) > 1:
        total = sum(file.path.stat().st_size for file in files)
        return _Found(_name_of_several(where), [partial(_itself, file) for file in files], {"bytes": total})
    shards = None if Path(where).is_dir() else other_shards(files[0].path)
    notice = f"{files[0].name} is one of several shards; to read all, give {shards}" if shards else None
    return _Found(files[0].name, [lambda: files[0]], {}, (notice,))


def _itself(file: SourceFile) -> SourceFile:
    return file


def _name_of_several(where: str) -> str:
    return printable(where.rstrip("/\\").replace("\\", "/").rpartition("/")[2] or where)


class _Reading:
    """Reads the files of a source one after the other; rows are counted on."""

    def __init__(
        self,
        table: Table,
        found: _Found,
        forced: str | None,
        options: ReadingOptions,
        resources: ExitStack,
        typed: str,
    ) -> None:
        self.resources = resources
        self._table = table
        self._found = found
        self._forced = forced
        self._options = options
        self._typed = typed
        self._number = 0

    def fraction_read(self) -> float | None:
        """The share of the files that was read, each counted alike."""
        fraction = self._table.fraction_read()
        return None if fraction is None else (self._number + fraction) / max(1, len(self._found.files))

    def records(self) -> Iterator[Record]:
        """All records; SaescopeError if a file is damaged, or there is no record at all."""
        count = 0
        while True:
            for record in self._records_of_table(count):
                yield record
                count += 1
            self._number += 1
            if self._number >= len(self._found.files):
                break
            self.resources.close()
            file = self._found.files[self._number]()
            self._table = open_table(file, self._forced, self._options, self.resources, self._typed)
        if count == 0:
            raise DataError(f"{self._found.name} has no rows")

    def _records_of_table(self, before: int) -> Iterator[Record]:
        count = 0
        with readable(self._table.name, lambda: f" after {count:,} rows"):
            for record in self._table.records:
                yield record if not before else _numbered(record, before + count)
                count += 1


def _numbered(record: Record, row_id: int) -> Record:
    return replace(record, row_id=row_id) if isinstance(record, Row) else SkippedRow(row_id, record.reason)


def prompt_file(path: str | Path, encoding: str | None = None) -> Source:
    """A text file as a source of a single row, row 0.

    Raises SaescopeError if it can't be read or holds no usable text.
    """
    path = Path(path)
    shown = printable(str(path))
    with ExitStack() as resources:
        raw = open_file(path, resources)
        with readable(shown):
            start = raw.read(4 * MAX_ROW_CHARS)
            text = io.TextIOWrapper(
                io.BytesIO(start),
                encoding=encoding_of(start, len(start) < 4 * MAX_ROW_CHARS, encoding, shown),
                errors=MARK_UNDECODABLE,
            )
            record = record_of(0, text.read())
    if isinstance(record, SkippedRow):
        raise DataError(f"the prompt file {path} can't be used: {record.reason}")
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
