"""The format of logit_effects.parquet: what each feature's decoder direction does to the logits, by the weights alone.

One row a feature. The columns without `raw_` are of the variant that is shown: gain folded, centred over the
vocabulary. Those with it are of the plain product of the direction (of length 1) and the unembedding, which other tools
export. directions/logit_effects.py has the formulas.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sparse_autoencoder.runs.weights_notes import WeightsNote, noted

TOKENS = 10  # promoted, and as many suppressed; fewer if the vocabulary is smaller
BINS = 50
RAW = "raw_"
Floats = NDArray[np.float32]
Ids = NDArray[np.int32]


@dataclass(frozen=True)
class TokenEffects:
    """One variant of the effects on all tokens, in short: the ends, and a histogram of `BINS` equal bins."""

    promoted: Ids  # [features, tokens], token ids, largest effect first; equal ones by id
    promoted_values: Floats
    suppressed: Ids  # [features, tokens], smallest effect first
    suppressed_values: Floats
    histogram: Ids  # [features, BINS], numbers of tokens
    low: Floats  # [features], the smallest effect, where the first bin begins
    high: Floats  # [features], the largest, where the last bin ends


@dataclass(frozen=True)
class LogitEffects:
    """The effects of all features, and moments of the shown variant's distribution over the vocabulary."""

    shown: TokenEffects
    raw: TokenEffects
    mean: Floats  # [features]
    std: Floats
    skew: Floats
    kurtosis: Floats  # 3 for a normal distribution


_LISTS = {
    "promoted": pa.int32(),
    "promoted_values": pa.float32(),
    "suppressed": pa.int32(),
    "suppressed_values": pa.float32(),
    "histogram": pa.int32(),
}
_NUMBERS = ("low", "high")
_MOMENTS = ("mean", "std", "skew", "kurtosis")
_FEATURES_PER_ROW_GROUP = 128  # so that one feature is a small read


def _list(entry: pa.DataType) -> pa.ListType:
    return pa.list_(pa.field("element", entry, nullable=False))


def _variant(prefix: str) -> list[pa.Field]:
    return [
        *(pa.field(prefix + name, _list(entry), nullable=False) for name, entry in _LISTS.items()),
        *(pa.field(prefix + name, pa.float32(), nullable=False) for name in _NUMBERS),
    ]


SCHEMA = pa.schema(
    [*_variant(""), *(pa.field(name, pa.float32(), nullable=False) for name in _MOMENTS), *_variant(RAW)]
)


def to_parquet(effects: LogitEffects | None, note: WeightsNote) -> bytes:
    """The bytes of logit_effects.parquet; without effects the note says why there are none."""
    schema = noted(SCHEMA, note)
    sink = io.BytesIO()
    table = schema.empty_table() if effects is None else pa.table(_columns(effects), schema=schema)
    pq.write_table(table, sink, _FEATURES_PER_ROW_GROUP, compression="zstd", use_dictionary=False)
    return sink.getvalue()


def _columns(effects: LogitEffects) -> dict[str, Any]:
    columns: dict[str, Any] = {name: pa.array(getattr(effects, name)) for name in _MOMENTS}
    for prefix, variant in (("", effects.shown), (RAW, effects.raw)):
        columns |= {prefix + name: lists(getattr(variant, name), entry) for name, entry in _LISTS.items()}
        columns |= {prefix + name: pa.array(getattr(variant, name)) for name in _NUMBERS}
    return columns


def lists(rows: NDArray[Any], entry: pa.DataType) -> pa.ListArray:
    """A column of lists, all of the same length, from [rows, length]."""
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(rows.reshape(-1)), type=_list(entry))
