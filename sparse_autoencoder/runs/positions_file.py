"""The format of positions.parquet: how often each feature fires at the beginning of windows.

It has a row for each feature, in order, and a column for each kind of window and range of positions
(summaries/position_counts.py): `first_0`, `first_1`, `first_2`, `first_4`, … and `later_0`, …, with the first position
of the range. The schema's metadata has the counted tokens by the same names.
"""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sparse_autoencoder.data.parquet_memory import check_memory
from sparse_autoencoder.runs.format_version import check_schema, marked
from sparse_autoencoder.summaries.position_counts import FIRST_POSITIONS, KINDS, PLACES, PositionCounts

_COLUMNS = [f"{kind}_{first}" for kind in KINDS for first in FIRST_POSITIONS]
_NOTE = b"saescope.tokens"  # schema metadata key: the counted tokens, as JSON
_MAX_BYTES, _MAX_BYTES_PER_FEATURE = 1 << 20, 1 << 8  # when decompressed; 112 for a feature are usual


def to_parquet(counts: PositionCounts) -> bytes:
    """The bytes of positions.parquet."""
    tokens = dict(zip(_COLUMNS, counts.tokens.ravel().tolist(), strict=True))
    schema = pa.schema([pa.field(name, pa.int64(), nullable=False) for name in _COLUMNS])
    columns = [pa.array(count) for count in counts.count.reshape(PLACES, -1)]
    table = pa.table(columns, schema=marked(schema.with_metadata({_NOTE: json.dumps(tokens)})))
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", use_dictionary=False)
    return sink.getvalue()


def from_parquet(data: bytes, n_features: int) -> PositionCounts:
    """The inverse of `to_parquet`.

    Raises ValueError, KeyError or an ArrowException for damaged bytes, NewerFormatError for those of a later version.
    """
    check_memory(io.BytesIO(data), _MAX_BYTES + _MAX_BYTES_PER_FEATURE * n_features)
    # not read_table, which imports pyarrow.dataset and pandas
    table = pq.ParquetFile(io.BytesIO(data)).read()
    check_schema("positions.parquet", table.schema.metadata)
    if len(table) != n_features:
        raise ValueError(f"there are {len(table)} features in it, not {n_features}")
    noted = json.loads(table.schema.metadata[_NOTE])
    tokens = np.array([noted[name] for name in _COLUMNS], np.int64)
    count = np.stack([table[name].to_numpy() for name in _COLUMNS]).astype(np.int64)
    if (tokens < 0).any() or (count < 0).any():
        raise ValueError("there are negative numbers in it")
    return PositionCounts.of_places(tokens, count)
