"""features_by_token.parquet: each token's occurrences, and all features that fire on it; nothing is left out.

A row is a token that occurs at a counted position. Row groups have few entries (or one token), so that one token is one
small read.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sparse_autoencoder.runs.format_version import marked
from sparse_autoencoder.runs.tokens_by_feature import in_units
from sparse_autoencoder.summaries.token_table import OCCURRENCES, TokenTable
from sparse_autoencoder.utils.numpy_array_ops import group_starts, starts_of

GROUP_ENTRIES = 1 << 16
"""Entries in a row group, unless one token has more."""

FEATURE = pa.struct(
    [
        pa.field("feature_id", pa.int32(), nullable=False),
        pa.field("count", pa.int64(), nullable=False),  # counted tokens with this id at which the feature fires
        pa.field("sum_activation", pa.float64()),  # there; null where count is 1, as it is the maximum then
        pa.field("max_activation", pa.float32(), nullable=False),
    ]
)
SCHEMA = pa.schema(
    [
        pa.field("token_id", pa.int32(), nullable=False),
        pa.field("occurrences", pa.int64(), nullable=False),  # counted tokens with this id
        pa.field("features", pa.list_(pa.field("element", FEATURE, nullable=False)), nullable=False),  # by id
    ]
)
_ENTRY = "features.list.element."


class FeaturesByTokenWriter:
    """Writes the file from the run's merged table; its bytes don't depend on how the table is cut into parts."""

    def __init__(self, sink: Any) -> None:
        self._writer = pq.ParquetWriter(
            sink,
            marked(SCHEMA),
            compression="zstd",
            use_dictionary=[f"{_ENTRY}count"],
            column_encoding={
                "token_id": "DELTA_BINARY_PACKED",
                "occurrences": "DELTA_BINARY_PACKED",
                f"{_ENTRY}feature_id": "DELTA_BINARY_PACKED",
                f"{_ENTRY}sum_activation": "BYTE_STREAM_SPLIT",
                f"{_ENTRY}max_activation": "BYTE_STREAM_SPLIT",
            },
            write_statistics=["token_id"],
        )
        self._pending = TokenTable.empty()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and len(self._pending):
            self._write(self._pending)
        self._writer.close()

    def add(self, part: TokenTable) -> None:
        """Add the next part of the merged table; the parts are in order."""
        held = TokenTable.concatenate([self._pending, part])
        starts = group_starts(held.token)
        ends = np.append(starts[1:], len(held))  # the last token may go on in the next part
        begin = first = 0
        while True:
            fitting = int(np.searchsorted(ends, begin + GROUP_ENTRIES, side="right"))
            next_first = max(fitting, first + 1)
            if fitting >= len(ends) or next_first >= len(ends):
                break
            end = int(starts[next_first])
            self._write(held.take(slice(begin, end)))
            begin, first = end, next_first
        self._pending = held.take(slice(begin, None))

    def _write(self, table: TokenTable) -> None:
        """Write whole tokens as one row group."""
        itself = table.feature == OCCURRENCES
        features = table.take(~itself)
        starts = np.flatnonzero(itself)
        offsets = starts_of(np.diff(starts, append=len(table)) - 1)
        entries = pa.StructArray.from_arrays(
            [
                pa.array(features.feature),
                pa.array(features.count),
                pa.array(in_units(features.total), mask=features.count == 1),
                pa.array(features.maximum),
            ],
            fields=list(FEATURE),
        )
        columns = [
            pa.array(table.token[itself]),
            pa.array(table.count[itself]),
            pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), entries, type=SCHEMA.field("features").type),
        ]
        self._writer.write_table(pa.table(columns, schema=SCHEMA), len(starts))
