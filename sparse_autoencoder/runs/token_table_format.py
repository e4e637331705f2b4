"""The format of a sorted token table as a Parquet file: a chunk's in token_tables/, and those that publishing merges.

Row groups are small, so that tables are merged and searched with little memory. A sum is left out where the count is 1,
as the maximum says it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sparse_autoencoder.runs.format_version import check_schema, marked
from sparse_autoencoder.summaries.token_table import OCCURRENCES, TokenTable, steps_of

GROUP_ENTRIES = 1 << 15
"""Entries in a row group, at most; each takes about 30 bytes of memory when it is read."""

SCHEMA = pa.schema(
    [
        pa.field("token", pa.int32(), nullable=False),
        pa.field("feature_id", pa.int32(), nullable=False),  # -1: how often the token occurs
        pa.field("count", pa.int64(), nullable=False),
        pa.field("total", pa.int64()),  # in steps; null where count is 1, and for the token itself
        pa.field("maximum", pa.float32(), nullable=False),
    ]
)
_ENCODINGS = {
    "token": "DELTA_BINARY_PACKED",
    "feature_id": "DELTA_BINARY_PACKED",
    "total": "DELTA_BINARY_PACKED",
    "maximum": "BYTE_STREAM_SPLIT",
}


class TableWriter:
    """Writes one table, whose parts come in the order of its entries; its bytes don't depend on what is a part."""

    def __init__(self, sink: Any) -> None:
        self._writer = pq.ParquetWriter(
            sink,
            marked(SCHEMA),
            compression="zstd",
            compression_level=1,
            use_dictionary=["count"],
            column_encoding=_ENCODINGS,
            write_statistics=["token"],
            write_page_checksum=True,
        )
        self._held: list[TokenTable] = []  # less than a row group

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and any(map(len, self._held)):
            self._write(TokenTable.concatenate(self._held))
        self._writer.close()

    def write(self, part: TokenTable) -> None:
        """Write the next entries."""
        self._held.append(part)
        if sum(map(len, self._held)) >= GROUP_ENTRIES:
            held = TokenTable.concatenate(self._held)
            whole = len(held) // GROUP_ENTRIES * GROUP_ENTRIES
            self._write(held.take(slice(0, whole)))
            self._held = [held.take(slice(whole, None))]

    def _write(self, part: TokenTable) -> None:
        alone = (part.count == 1) | (part.feature == OCCURRENCES)
        columns = [part.token, part.feature, part.count, pa.array(part.total, mask=alone), part.maximum]
        self._writer.write_table(pa.table(columns, schema=SCHEMA), GROUP_ENTRIES)


def to_parquet(table: TokenTable) -> bytes:
    """The bytes of a table's file."""
    sink = pa.BufferOutputStream()  # unlike a Python object, it is written without the GIL
    with TableWriter(sink) as writer:
        writer.write(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def opened(file: IO[bytes] | pa.NativeFile) -> pq.ParquetFile:
    """A table's file; ValueError or an ArrowException if it is none."""
    parquet = pq.ParquetFile(file, pre_buffer=False, page_checksum_verification=True)
    check_schema("a token table", parquet.schema_arrow.metadata)
    if not parquet.schema_arrow.equals(SCHEMA):
        raise ValueError("the file has other columns")
    if any(parquet.metadata.row_group(group).num_rows > GROUP_ENTRIES for group in range(parquet.num_row_groups)):
        raise ValueError("its row groups are larger than any run writes them")
    return parquet


def parts_of(parquet: pq.ParquetFile, groups: Iterable[int] | None = None) -> Iterator[TokenTable]:
    """A table's row groups, in order; `groups`: only these. ValueError for a damaged one."""
    for group in range(parquet.num_row_groups) if groups is None else groups:
        try:
            table = table_of(parquet.read_row_group(group, use_threads=False))
        except (pa.ArrowException, OSError) as error:  # an OSError is also what a wrong checksum raises
            raise ValueError(str(error)) from error
        yield table


def table_of(entries: pa.Table) -> TokenTable:
    """The entries of row groups."""
    token, feature, count, maximum = (entries[name].to_numpy() for name in ("token", "feature_id", "count", "maximum"))
    alone = entries["total"].is_null().to_numpy()
    total = entries["total"].fill_null(0).to_numpy()
    return TokenTable(token, feature, count, np.where(alone, steps_of(maximum), total), maximum)
