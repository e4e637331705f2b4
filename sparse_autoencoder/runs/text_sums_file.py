"""The format of text_sums.parquet: each feature's sums over texts, by set of rows (summaries/text_sums.py)."""

import io
import json
from dataclasses import fields

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sparse_autoencoder.data.parquet_memory import check_memory
from sparse_autoencoder.data.row_sets import HALVES, MOST_GROUPS
from sparse_autoencoder.runs.format_version import check_schema, marked
from sparse_autoencoder.summaries.text_sums import BY_FEATURE, TOTALS, NamedTextSums, TextSums

_NOTE = b"saescope.totals"  # schema metadata key: what doesn't depend on the feature, as JSON
_MAX_BYTES, _MAX_BYTES_PER_FEATURE = 1 << 20, 1 << 13  # when decompressed; 64 for a set of a feature are usual


def to_parquet(named: NamedTextSums) -> bytes:
    """The bytes of text_sums.parquet."""
    sums = named.sums
    totals = {name: getattr(sums, name).tolist() for name in TOTALS}
    groups = {str(one): named.names[one] for one in sorted(named.names)}
    columns = _columns(sums.num_sets)
    schema = pa.schema([pa.field(f"{name}_{one}", pa.int64(), nullable=False) for one, name in columns])
    schema = marked(schema.with_metadata({_NOTE: json.dumps(totals | {"groups": groups})}))
    sink = io.BytesIO()
    table = pa.table([pa.array(getattr(sums, name)[one]) for one, name in columns], schema=schema)
    pq.write_table(table, sink, compression="zstd", use_dictionary=False)
    return sink.getvalue()


def from_parquet(data: bytes, n_features: int) -> NamedTextSums:
    """The inverse of `to_parquet`.

    Raises ValueError, KeyError or an ArrowException for damaged bytes, NewerFormatError for those of a later version.
    """
    check_memory(io.BytesIO(data), _MAX_BYTES + _MAX_BYTES_PER_FEATURE * n_features)
    table = pq.read_table(io.BytesIO(data))
    check_schema("text_sums.parquet", table.schema.metadata)
    if len(table) != n_features:
        raise ValueError(f"there are {len(table)} features in it, not {n_features}")
    noted = json.loads(table.schema.metadata[_NOTE])
    totals = {name: np.array(noted[name], np.int64) for name in TOTALS}
    num_sets = len(totals["num_rows"])
    if not HALVES <= num_sets <= HALVES + MOST_GROUPS + 1 or {len(values) for values in totals.values()} != {num_sets}:
        raise ValueError("its totals aren't those of two halves and some groups")
    by_feature = {
        name: np.stack([table[f"{name}_{one}"].to_numpy() for one in range(num_sets)]).astype(np.int64)
        for name in BY_FEATURE
    }
    sums = TextSums(**totals, **by_feature)
    if any((getattr(sums, field.name) < 0).any() for field in fields(TextSums)):
        raise ValueError("there are negative numbers in it")
    names = {int(one): name for one, name in noted["groups"].items()}
    if not all(HALVES <= one < num_sets and isinstance(name, str) for one, name in names.items()):
        raise ValueError("it names other groups than it has")
    return NamedTextSums(sums, names)


def _columns(num_sets: int) -> list[tuple[int, str]]:
    return [(one, name) for one in range(num_sets) for name in BY_FEATURE]
