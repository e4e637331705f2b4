"""The format of firings/NNNNNN.parquet: which features fire at each counted token of a chunk (`--keep-firings`).

One row a counted token, in the order of the chunk's rows, windows and positions; its features by id. From these files
follows what fires together, exactly. They take about 60 bytes a token with k = 32, so they are kept only if asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sparse_autoencoder.runs.format_version import marked
from sparse_autoencoder.runs.stored_parquet import check_file
from sparse_autoencoder.utils.numpy_array_ops import starts_of

SCHEMA = pa.schema([pa.field("features", pa.list_(pa.field("element", pa.int32(), nullable=False)), nullable=False)])
_MOST_FIRINGS = 1 << 21  # in a row group, unless one token has more: what a reader has in memory at once


@dataclass(frozen=True)
class Firings:
    """The features that fire at some consecutive counted tokens."""

    counts: NDArray[np.int64]  # [tokens]
    features: NDArray[np.int32]  # [firings], token by token, ascending within each

    @classmethod
    def of(cls, token: NDArray[np.int32], feature: NDArray[np.int32], counted: NDArray[np.bool_]) -> Firings:
        """From a block's activations by token, at each by feature; `counted` [tokens] are its counted tokens."""
        return cls(np.bincount(token, minlength=len(counted))[counted], feature)

    def pieces(self) -> Iterator[Firings]:
        """Itself in pieces that fit into a row group."""
        ends = np.cumsum(self.counts)
        first = 0
        while first < len(self.counts):
            before = int(ends[first] - self.counts[first])
            last = max(first + 1, int(np.searchsorted(ends, before + _MOST_FIRINGS, side="right")))
            yield Firings(self.counts[first:last], self.features[before : int(ends[last - 1])])
            first = last


def to_parquet(blocks: Sequence[Firings]) -> bytes:
    """The bytes of a chunk's file."""
    sink = pa.BufferOutputStream()
    schema = marked(SCHEMA)
    encodings = {"features.list.element": "DELTA_BINARY_PACKED"}
    with pq.ParquetWriter(
        sink, schema, compression="zstd", use_dictionary=False, write_statistics=False, column_encoding=encodings
    ) as writer:
        for block in blocks:
            for piece in block.pieces():
                offsets = np.concatenate([[0], np.cumsum(piece.counts)]).astype(np.int32)
                column = pa.ListArray.from_arrays(
                    pa.array(offsets), pa.array(piece.features), type=SCHEMA.field(0).type
                )
                writer.write_table(pa.table([column], schema=schema))
    data: bytes = sink.getvalue().to_pybytes()
    return data


def read(key: str, file: pq.ParquetFile) -> Iterator[Firings]:
    """A file's firings, a row group at a time; ValueError or an ArrowException for a damaged one."""
    check_file(key, file, SCHEMA)
    for group in range(file.num_row_groups):
        yield from _of_group(file, group)


def read_tokens(key: str, file: pq.ParquetFile, first: int, last: int) -> Firings:
    """The firings at the counted tokens `first` to before `last` of a chunk: only their row groups are read.

    ValueError or an ArrowException for a damaged file, also if it ends before those tokens.
    """
    check_file(key, file, SCHEMA)
    sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    ends = np.cumsum(sizes, dtype=np.int64)
    if last > (ends[-1] if sizes else 0):
        raise ValueError(f"it has fewer tokens than the rows, {sum(sizes):,}")
    counts, features = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
    for group in range(int(np.searchsorted(ends, first, side="right")), len(sizes)):
        begin = int(ends[group]) - sizes[group]
        if begin >= last:
            break
        for part in _of_group(file, group):
            inside = slice(max(first - begin, 0), max(min(last - begin, len(part.counts)), 0))
            if inside.start < inside.stop:
                starts = starts_of(part.counts)
                counts.append(part.counts[inside])
                features.append(part.features[starts[inside.start] : starts[inside.stop]])
            begin += len(part.counts)
    return Firings(np.concatenate(counts), np.concatenate(features))


def _of_group(file: pq.ParquetFile, group: int) -> Iterator[Firings]:
    for column in file.read_row_group(group, use_threads=False)["features"].chunks:
        offsets = column.offsets.to_numpy()
        yield Firings(np.diff(offsets).astype(np.int64), column.flatten().to_numpy())
