"""The format of text_sums.parquet: each feature's sums over texts, by half of the texts (summaries/text_sums.py)."""

import io
import json
from dataclasses import fields

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sparse_autoencoder.data.parquet_memory import check_memory
from sparse_autoencoder.runs.format_version import check_schema, marked
from sparse_autoencoder.summaries.text_sums import HALVES, TextSums

_TOTALS = ("num_rows", "num_texts", "num_tokens", "squared_tokens")
_BY_FEATURE = ("count", "texts", "squares", "products")
_NOTE = b"saescope.totals"  # schema metadata key: what doesn't depend on the feature, as JSON
_COLUMNS = [f"{name}_{half}" for half in range(HALVES) for name in _BY_FEATURE]
_MAX_BYTES, _MAX_BYTES_PER_FEATURE = 1 << 20, 1 << 8  # when decompressed; 64 for a feature are usual


def to_parquet(sums: TextSums) -> bytes:
    """The bytes of text_sums.parquet."""
    totals = {name: getattr(sums, name).tolist() for name in _TOTALS}
    schema = pa.schema([pa.field(name, pa.int64(), nullable=False) for name in _COLUMNS])
    schema = marked(schema.with_metadata({_NOTE: json.dumps(totals)}))
    columns = [pa.array(getattr(sums, name)[half]) for half in range(HALVES) for name in _BY_FEATURE]
    sink = io.BytesIO()
    pq.write_table(pa.table(columns, schema=schema), sink, compression="zstd", use_dictionary=False)
    return sink.getvalue()


def from_parquet(data: bytes, n_features: int) -> TextSums:
    """The inverse of `to_parquet`.

    Raises ValueError, KeyError or an ArrowException for damaged bytes, NewerFormatError for those of a later version.
    """
    check_memory(io.BytesIO(data), _MAX_BYTES + _MAX_BYTES_PER_FEATURE * n_features)
    table = pq.read_table(io.BytesIO(data))
    check_schema("text_sums.parquet", table.schema.metadata)
    if len(table) != n_features:
        raise ValueError(f"there are {len(table)} features in it, not {n_features}")
    noted = json.loads(table.schema.metadata[_NOTE])
    totals = {name: np.array(noted[name], np.int64) for name in _TOTALS}
    if any(len(values) != HALVES for values in totals.values()):
        raise ValueError(f"it has no totals of {HALVES} halves")
    by_feature = {
        name: np.stack([table[f"{name}_{half}"].to_numpy() for half in range(HALVES)]).astype(np.int64)
        for name in _BY_FEATURE
    }
    sums = TextSums(**totals, **by_feature)
    if any((getattr(sums, field.name) < 0).any() for field in fields(TextSums)):
        raise ValueError("there are negative numbers in it")
    return sums
