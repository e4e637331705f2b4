"""The format of a chunk's token samples, a sealed Parquet file in token_samples/."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sparse_autoencoder.runs.checksums import seal, understood, unseal
from sparse_autoencoder.summaries.token_samples import TokenSamples
from sparse_autoencoder.utils.numpy_array_ops import starts_of

_FLAT = {
    "token": pa.int32(),
    "draw": pa.uint64(),
    "row_id": pa.int64(),
    "window": pa.int32(),
    "position": pa.int32(),
}
_FEATURES = pa.list_(pa.field("element", pa.int32(), nullable=False))
SCHEMA = pa.schema([pa.field(name, kind, nullable=False) for name, kind in (*_FLAT.items(), ("features", _FEATURES))])
_DELTA = ("token", "row_id", "features.list.element")


def to_bytes(samples: TokenSamples, chunk: int) -> bytes:
    """The bytes of a chunk's file."""
    features = pa.ListArray.from_arrays(
        pa.array(samples.starts.astype(np.int32)), pa.array(samples.feature), type=_FEATURES
    )
    columns = [*(pa.array(getattr(samples, name)) for name in _FLAT), features]
    sink = pa.BufferOutputStream()  # unlike a Python object, it is written without the GIL
    pq.write_table(
        pa.table(columns, schema=SCHEMA),
        sink,
        compression="zstd",
        use_dictionary=False,
        write_statistics=False,
        column_encoding=dict.fromkeys(_DELTA, "DELTA_BINARY_PACKED"),
    )
    return seal(_kind(chunk), sink.getvalue().to_pybytes())


def from_bytes(data: bytes, chunk: int) -> TokenSamples:
    """The inverse of `to_bytes`, for the chunk with this number; DamagedError for other bytes."""
    content = unseal(_kind(chunk), data)
    with understood(_kind(chunk)):
        table = pq.ParquetFile(io.BytesIO(content)).read(use_threads=False).combine_chunks()
        features = table["features"].combine_chunks()
        starts = starts_of(features.value_lengths().to_numpy())
        flat = {name: table[name].to_numpy() for name in _FLAT}
        return TokenSamples(**flat, starts=starts, feature=features.flatten().to_numpy())


def _kind(chunk: int) -> str:
    """The seal's kind for a chunk; it has the number, so that another chunk's samples are noticed."""
    return f"token-samples-{chunk:06d}"
