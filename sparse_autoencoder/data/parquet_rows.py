"""Parquet -> records."""

from collections.abc import Iterator
from typing import IO, Any

from sparse_autoencoder.data.row_skip_rules import Record, SkippedRow, record_of
from sparse_autoencoder.data.text_column import choose_text_column
from sparse_autoencoder.errors import SaescopeError

_BATCH_ROWS = 256  # rows that are decoded at once
_READ_BUFFER_BYTES = 2**20  # for reading a column chunk, which may have gigabytes


class ParquetRows:
    """Records of a Parquet file. Creating it opens the file and chooses the text column.

    Raises SaescopeError if the file isn't Parquet, or if its column doesn't exist or doesn't hold text.
    """

    def __init__(self, file: IO[bytes], wanted: str | None, name: str) -> None:
        import pyarrow as pa  # slow to import, and other formats don't need it
        import pyarrow.parquet as pq

        try:
            # without a buffer size a whole column chunk is loaded, which may be the whole file
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
        """The share of the file's rows that were read, 0 to 1."""
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
        # as bytes: Arrow doesn't check that strings are UTF-8, and one bad value would fail the whole batch
        for encoded in column.cast(pa.large_binary()).to_pylist():
            row_id = self._rows_read
            self._rows_read += 1
            if encoded is None:
                yield SkippedRow(row_id, "no text")
            else:
                yield record_of(row_id, encoded.decode("utf-8", "surrogateescape"))
