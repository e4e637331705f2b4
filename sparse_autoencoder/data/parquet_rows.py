"""Parquet -> records."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any

import numpy as np

from sparse_autoencoder.data.encodings import MARK_UNDECODABLE
from sparse_autoencoder.data.kept_columns import kept_values
from sparse_autoencoder.data.nested_fields import NoTextError, TextField, is_message, quoted
from sparse_autoencoder.data.parquet_memory import is_text, rows_at_once, sizes
from sparse_autoencoder.data.row_skip_rules import (
    MAX_ROW_CHARS,
    NOT_UNICODE,
    Record,
    SkippedRow,
    record_of,
    too_long,
)
from sparse_autoencoder.data.text_column import choose_text_column
from sparse_autoencoder.errors import DataError, SaescopeError
from sparse_autoencoder.utils.printable import printable

_READ_BUFFER_BYTES = 2**20  # for reading a column chunk, which may have gigabytes
_MAX_VALUE_BYTES = 4 * MAX_ROW_CHARS  # a longer value can't be a usable text
_MAX_DEPTH = 8  # of fields that are listed
_SHOWN_CHARS = 100  # of a type


class ParquetRows:
    """Records of a Parquet file. Creating it opens the file and chooses the text column.

    Text that isn't UTF-8 is decoded with `encoding`. Raises SaescopeError if the file isn't Parquet, if its column
    doesn't exist or can't hold text, or if decoding it would take too much memory.
    """

    def __init__(
        self, file: IO[bytes], wanted: str | None, name: str, encoding: str = "utf-8", kept: Sequence[str] = ()
    ) -> None:
        import pyarrow as pa  # slow to import, and other formats don't need it
        import pyarrow.parquet as pq

        self._name = name
        self._encoding = encoding
        self._rows_read = 0
        try:
            self._metadata = pq.read_metadata(file)
            schema = self._metadata.schema.to_arrow_schema()
        except (pa.ArrowException, OSError, ValueError) as error:
            why = _first_line(error)
            raise DataError(f"{name} isn't a readable Parquet file, or it is truncated: {why}") from error
        self._field = _choose_field(schema, wanted, name, "--text-column")
        self._kept = [_choose_field(schema, one, name, "--keep-columns") for one in kept]
        self.column = self._field.name
        leaves = list(dict.fromkeys(leaf for field in (self._field, *self._kept) for leaf in self._leaves(field)))
        self._batch_rows = rows_at_once(file, self._metadata.schema, [leaf for leaf, _ in leaves], name)
        self._paths = [path for _, path in leaves]
        # A dictionary's values stay there, so that a value that many rows have is held once.
        dictionaries = [path for leaf, path in leaves if self._leaf(leaf).physical_type == "BYTE_ARRAY"]
        # Without a buffer size a whole column chunk is loaded, which may be the whole file.
        self._file = pq.ParquetFile(
            file, buffer_size=_READ_BUFFER_BYTES, pre_buffer=False, read_dictionary=dictionaries
        )

    def fraction_read(self) -> float:
        """The share of the file's rows that were read, 0 to 1."""
        total: int = self._metadata.num_rows
        return self._rows_read / total if total else 1.0

    def __iter__(self) -> Iterator[Record]:
        import pyarrow as pa

        try:
            for batch in self._file.iter_batches(batch_size=self._batch_rows, columns=self._paths):
                columns = {name: batch.column(name) for name in batch.schema.names}
                values = {name: _values(column) for name, column in columns.items()}
                for i, size in enumerate(np.sum([sizes(column) for column in columns.values()], axis=0)):
                    row_id = self._rows_read
                    self._rows_read += 1
                    yield too_long(row_id) if size > _MAX_VALUE_BYTES else self._record(row_id, values, i)
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            raise DataError(f"{self._name} is damaged after row {self._rows_read}: {_first_line(error)}") from error

    def _leaf(self, leaf: int) -> Any:
        return self._metadata.schema.column(leaf)

    def _leaves(self, field: TextField) -> list[tuple[int, str]]:
        """Number and path of the columns without nesting that a column consists of, in the file."""
        count = len(self._metadata.schema)
        paths = [(leaf, self._leaf(leaf).path) for leaf in range(count)]
        exact = [(leaf, path) for leaf, path in paths if path == field.column]
        return exact or [(leaf, path) for leaf, path in paths if path.startswith(f"{field.column}.")]

    def _record(self, row_id: int, values: Mapping[str, Callable[[int], Any]], i: int) -> Record:
        try:
            text = self._text(self._field, values, i)
            return record_of(row_id, text, kept_values([self._value(field, values, i) for field in self._kept]))
        except NoTextError as reason:
            return SkippedRow(row_id, str(reason))
        except UnicodeDecodeError:  # Arrow doesn't check that strings are UTF-8
            return SkippedRow(row_id, NOT_UNICODE)

    def _text(self, field: TextField, values: Mapping[str, Callable[[int], Any]], i: int) -> str:
        """A field's text in a row; raises NoTextError, or UnicodeDecodeError."""
        value = values[field.column](i)
        if isinstance(value, bytes) and not field.path:
            return value.decode(self._encoding, MARK_UNDECODABLE)
        return field.text_of({field.column: value})

    def _value(self, field: TextField, values: Mapping[str, Callable[[int], Any]], i: int) -> str | None:
        """What is kept of a row's field."""
        try:
            return self._text(field, values, i)
        except NoTextError:
            return None
        except UnicodeDecodeError:
            return "\N{REPLACEMENT CHARACTER}"


def _values(column: Any) -> Callable[[int], Any]:
    """A function that gives the value of a column's row; texts as bytes, if they aren't nested."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind) and is_text(kind.value_type):
        values = _as_bytes(column.dictionary)
        numbers = column.indices.to_pylist()
        return lambda i: None if numbers[i] is None else values[numbers[i]].as_py()
    if pa.types.is_floating(kind):
        numbers = column.to_numpy(zero_copy_only=False)
        return lambda i: None if numbers[i] != numbers[i] else str(numbers[i])
    if pa.types.is_temporal(kind):
        column = column.cast(pa.string())
    if is_text(kind):
        column = _as_bytes(column)
    return lambda i: column[i].as_py()


def _as_bytes(texts: Any) -> Any:
    """The texts of an Arrow array as bytes; a text that isn't UTF-8 would fail the whole array."""
    import pyarrow as pa

    return texts.cast(pa.binary() if pa.types.is_string(texts.type) else pa.large_binary())


def _choose_field(schema: Any, wanted: str | None, name: str, flag: str) -> TextField:
    columns = list(schema.names)
    paths = [path for column in schema for path in _paths(column.name, column.type, _MAX_DEPTH)]
    if wanted is None or wanted in columns:
        wanted = choose_text_column(columns, wanted, name)
    field = TextField(wanted, columns)
    kind = _kind_at(schema.field(field.column).type, field.path) if columns.count(field.column) == 1 else None
    if kind is None:
        choose_text_column(paths, wanted, name)  # raises, and lists the paths
    if not _may_hold_text(kind):
        inner = [path for path in paths if path.startswith(f"{wanted}.")]
        advice = f"name one of {quoted(inner)}" if inner else "choose another"
        raise SaescopeError(
            f"column '{printable(wanted)}' of {name} holds {str(kind)[:_SHOWN_CHARS]}, not text; {advice} with {flag}"
        )
    return field


def _kind_at(kind: Any, path: Sequence[str]) -> Any:
    """The type of what a path leads to; None if it leads nowhere."""
    import pyarrow as pa

    for part in path:
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            kind = kind.value_type
            if part.isdecimal():
                continue
        if not pa.types.is_struct(kind) or kind.get_field_index(part) < 0:
            return None
        kind = kind.field(part).type
    return kind


def _may_hold_text(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _is_message_kind(kind.value_type)
    return _is_message_kind(kind) or not pa.types.is_nested(kind)


def _is_message_kind(kind: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_struct(kind) and is_message({field.name: None for field in kind})


def _paths(name: str, kind: Any, depth: int) -> Iterator[str]:
    """The paths of the fields of a column that have no fields themselves."""
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    if not depth or not pa.types.is_struct(kind):
        yield name
        return
    for field in kind:
        yield from _paths(f"{name}.{field.name}", field.type, depth - 1)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
