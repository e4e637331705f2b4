"""The format of activations/NNNNNN.parquet: every positive activation at a chunk's counted tokens (--save-activations).

One row an activation, in the order of the chunk's rows, windows and positions, at a token by feature. With k = 32 of
32,768 features an activation takes about 4.7 bytes: 2.9 its value, 1.7 its feature, next to nothing row and token.
Row groups end between two tokens, and say in their statistics which of the dataset's rows they hold; so a row is found
without reading the others, and a feature by reading the column of features, a third of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sparse_autoencoder.runs.format_version import marked
from sparse_autoencoder.runs.stored_parquet import check_file
from sparse_autoencoder.utils.numpy_array_ops import Ints

BYTES_EACH = 4.7
"""About what an activation takes; measured with random models of GPT-2 small's size, k = 32."""

_MOST = 1 << 17  # activations in a row group, unless one token has more: what a reader has in memory at once
_NUM_TOKENS = b"saescope.counted_tokens"  # in the schema's metadata: the chunk's counted tokens


def _field(name: str, kind: pa.DataType, description: str) -> pa.Field:
    return pa.field(name, kind, nullable=False, metadata={"description": description})


SCHEMA = pa.schema(
    [
        _field("row", pa.int64(), "the dataset's row"),
        _field(
            "token",
            pa.int32(),
            "the token's place in the row, from 0; -1 is the marker (BOS) before the row's first window, where it "
            "counts, -2 that before its second one, and so on",
        ),
        _field("feature", pa.int32(), "the feature's id"),
        _field("value", pa.float32(), "the activation, as the run's statistics have it"),
    ]
)


@dataclass(frozen=True)
class ActivationColumns:
    """Activations, as the columns of a file: [activations] each."""

    row: Ints
    token: NDArray[np.int32]
    feature: NDArray[np.int32]
    value: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, some: Any) -> ActivationColumns:
        return ActivationColumns(*(column[some] for column in self._columns()))

    @classmethod
    def empty(cls) -> ActivationColumns:
        """No activations."""
        return cls(*(np.zeros(0, field.type.to_pandas_dtype()) for field in SCHEMA))

    @classmethod
    def of_table(cls, table: pa.Table) -> ActivationColumns:
        """The columns of a table."""
        return cls(*(table[field.name].to_numpy() for field in fields(cls)))

    @classmethod
    def concatenate(cls, parts: list[ActivationColumns]) -> ActivationColumns:
        """All parts, one after the other."""
        columns = zip(*(part._columns() for part in [cls.empty(), *parts]), strict=True)
        return cls(*(np.concatenate(column) for column in columns))

    def table(self, schema: pa.Schema = SCHEMA) -> pa.Table:
        """As a table."""
        return pa.table([pa.array(column) for column in self._columns()], schema=schema)

    def token_starts(self) -> Ints:
        """The index of each token's first activation, if they are in the order of a file."""
        changes = (self.row[1:] != self.row[:-1]) | (self.token[1:] != self.token[:-1])
        return np.concatenate([np.zeros(min(len(self), 1), np.int64), np.flatnonzero(changes) + 1])

    def _columns(self) -> list[NDArray[Any]]:
        return [self.row, self.token, self.feature, self.value]


class ActivationsWriter:
    """Writes a chunk's file piece by piece. Its bytes don't depend on the pieces; memory is bounded by them."""

    def __init__(self, file: BinaryIO, num_tokens: int) -> None:
        """`num_tokens` are the chunk's counted tokens, also those at which nothing fires."""
        schema = marked(SCHEMA.with_metadata({_NUM_TOKENS: str(num_tokens).encode()}))
        self._writer = pq.ParquetWriter(
            file,
            schema,
            compression="zstd",
            use_dictionary=["token"],
            column_encoding={
                "row": "DELTA_BINARY_PACKED",
                "feature": "DELTA_BINARY_PACKED",
                "value": "BYTE_STREAM_SPLIT",
            },
            write_statistics=["row"],
        )
        self._schema = schema
        self._waiting = ActivationColumns.empty()

    def add(self, columns: ActivationColumns) -> None:
        """Write activations that come after those before, in the order of the file."""
        self._waiting = ActivationColumns.concatenate([self._waiting, columns])
        while len(self._waiting) > _MOST and (end := self._group_end()):
            self._write(self._waiting[:end])
            self._waiting = self._waiting[end:]

    def close(self) -> None:
        """Write the rest."""
        if len(self._waiting):
            self._write(self._waiting)
        self._writer.close()

    def abandon(self) -> None:
        """Write nothing any more, also not when this is forgotten."""
        self._writer.is_open = False

    def _group_end(self) -> int:
        """Where the next row group ends: at a token's end; 0 if that isn't known yet."""
        starts = self._waiting.token_starts()
        within = int(np.searchsorted(starts, _MOST, side="right")) - 1
        return int(starts[within]) if within else int(starts[1]) if len(starts) > 1 else 0

    def _write(self, columns: ActivationColumns) -> None:
        self._writer.write_table(columns.table(self._schema), row_group_size=len(columns))


class ActivationsFile:
    """A chunk's file, open for reading; what it raises for a damaged one is ValueError or an ArrowException."""

    def __init__(self, key: str, file: pq.ParquetFile) -> None:
        check_file(key, file, SCHEMA)
        self._file = file
        self.num_activations: int = file.metadata.num_rows
        self.num_tokens = int((file.schema_arrow.metadata or {})[_NUM_TOKENS])
        groups = [file.metadata.row_group(group).column(0).statistics for group in range(file.num_row_groups)]
        if not all(statistics is not None and statistics.has_min_max for statistics in groups):
            raise ValueError("the file doesn't say which rows it holds")
        self._first: Ints = np.array([statistics.min for statistics in groups], np.int64)
        self._last: Ints = np.array([statistics.max for statistics in groups], np.int64)
        if self.num_tokens < 0 or (len(groups) and self._first[0] < 0):
            raise ValueError("there are less than no tokens or rows in it")

    @property
    def num_groups(self) -> int:
        """How many row groups there are."""
        return len(self._first)

    def groups_of(self, rows: Ints) -> list[int]:
        """The row groups that may have activations of some rows, whose ids ascend."""
        from_here, to_here = np.searchsorted(rows, self._first), np.searchsorted(rows, self._last, side="right")
        return np.flatnonzero(from_here < to_here).tolist()

    def features(self, group: int) -> NDArray[np.int32]:
        """The column of features of a row group."""
        column: NDArray[np.int32] = self._file.read_row_group(group, ["feature"], use_threads=False)[0].to_numpy()
        return column

    def read(self, group: int) -> ActivationColumns:
        """A row group."""
        return ActivationColumns.of_table(self._file.read_row_group(group, use_threads=False))

    def __iter__(self) -> Iterator[ActivationColumns]:
        return map(self.read, range(self.num_groups))
