"""Opens a run's Parquet files, after checking that a run could have written them."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq

from sparse_autoencoder.runs.format_version import check_schema
from sparse_autoencoder.runs.store import Store, StoreFile

GROUP_BYTES = 1 << 28
"""Bytes that a row group may take in memory; a larger one is not a run's, and could fill the memory."""

READ_BYTES = 1 << 17
"""Least bytes of a read from the store."""


def open_stored(
    store: Store,
    key: str,
    schema: pa.Schema | None = None,
    *,
    read_bytes: int = READ_BYTES,
) -> pq.ParquetFile:
    """The file at this key of a store; see `check_file`."""
    file = pq.ParquetFile(io.BufferedReader(StoreFile(store, key), read_bytes), pre_buffer=False)
    check_file(key, file, schema)
    return file


def check_file(
    what: str, file: pq.ParquetFile, schema: pa.Schema | None = None, group_bytes: int = GROUP_BYTES
) -> None:
    """Raise ValueError if the file has other columns than `schema`, or larger row groups than any run writes.

    Raises NewerFormatError if a later version wrote it; `what` names the file.
    """
    check_schema(what, file.schema_arrow.metadata)
    if schema is not None and not file.schema_arrow.equals(schema):
        raise ValueError("the file has other columns")
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    if any(group.total_byte_size > group_bytes for group in groups):
        raise ValueError("its row groups are larger than any run writes them")
