"""The format of neighbours.parquet and neighbours_of.parquet: the nearest decoder directions of each feature."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sparse_autoencoder.runs.logit_effects_file import lists
from sparse_autoencoder.runs.weights_notes import WeightsNote, noted

NEIGHBOURS = 10  # fewer if there are fewer features
_FEATURES_PER_ROW_GROUP = 1024


@dataclass(frozen=True)
class Neighbours:
    """The nearest directions of each feature, by cosine: nearest first, equally near ones by id."""

    features: NDArray[np.int32]  # [features, neighbours], ids in the dictionary that was looked through
    cosines: NDArray[np.float32]


def _list(entry: pa.DataType) -> pa.ListType:
    return pa.list_(pa.field("element", entry, nullable=False))


SCHEMA = pa.schema(
    [
        pa.field("neighbours", _list(pa.int32()), nullable=False),
        pa.field("cosines", _list(pa.float32()), nullable=False),
    ]
)


def to_parquet(neighbours: Neighbours | None, note: WeightsNote) -> bytes:
    """The bytes of the file; without neighbours the note says why there are none."""
    schema = noted(SCHEMA, note)
    sink = io.BytesIO()
    table = schema.empty_table()
    if neighbours is not None:
        columns = [lists(neighbours.features, pa.int32()), lists(neighbours.cosines, pa.float32())]
        table = pa.table(columns, schema=schema)
    pq.write_table(table, sink, _FEATURES_PER_ROW_GROUP, compression="zstd", use_dictionary=False)
    return sink.getvalue()
