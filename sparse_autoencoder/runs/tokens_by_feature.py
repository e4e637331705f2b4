"""tokens_by_feature.parquet: the tokens that each feature fires on most, and numbers about all its tokens.

A feature's list is cut to LISTED tokens: those with the most firings, and of equal ones those with the smaller ids.
What is left out is said in numbers. The whole table is in features_by_token.parquet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.format_version import marked
from sparse_autoencoder.runs.not_firing import MAIN_TOKENS, NOT_FIRING, not_firing
from sparse_autoencoder.summaries.feature_summary import Summary
from sparse_autoencoder.summaries.token_samples import TokenSamples
from sparse_autoencoder.summaries.token_table import (
    HALF_BITS,
    LOW_HALF,
    OCCURRENCES,
    STEPS_PER_UNIT,
    TokenTable,
    joined_halves,
)
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.utils.numpy_array_ops import (
    Ints,
    bits_for,
    group_starts,
    rank_in_group,
    stable_argsort,
    starts_of,
)

LISTED = 32
FEATURES_PER_GROUP = 128
"""Features in a row group, so that one feature is one small read."""

_COMPACT_ENTRIES = 1 << 19  # new entries that are collected before lists are cut


def _fields(columns: dict[str, pa.DataType]) -> list[pa.Field]:
    return [pa.field(name, kind, nullable=False) for name, kind in columns.items()]


TOKEN = pa.struct(
    _fields(
        {
            "token_id": pa.int32(),
            "count": pa.int64(),  # counted tokens with this id at which the feature fires
            "sum_activation": pa.float64(),  # there
            "max_activation": pa.float32(),
            "occurrences": pa.int64(),  # counted tokens with this id
        }
    )
)
NUMBERS = {
    "num_active_tokens": pa.int64(),  # firings
    "num_distinct_tokens": pa.int64(),
    "effective_tokens": pa.float64(),  # 1 / sum of p^2, where p is a token's share of the firings; 0 without firings
    "main_token_share": pa.float64(),  # of the firings, on the most frequent token; 0 without firings
    "left_out_tokens": pa.int64(),
    "left_out_count": pa.int64(),
    "left_out_sum": pa.float64(),
}
SCHEMA = pa.schema(
    [
        *_fields({"feature_id": pa.int32(), **NUMBERS}),
        pa.field("tokens", pa.list_(pa.field("element", TOKEN, nullable=False)), nullable=False),  # most firings first
        pa.field("not_firing", NOT_FIRING, nullable=False),
    ]
)


@dataclass(frozen=True)
class _Listed:
    """Features' lists, flat, sorted by feature and rank."""

    table: TokenTable

    def cut(self, new: TokenTable) -> _Listed:
        """The lists with entries of larger token ids besides, cut to their first LISTED."""
        both = TokenTable.concatenate([self.table, new])
        if not len(both):
            return self
        largest = int(both.count.max())
        # The sort is stable, and entries with equal counts are in the order of their tokens.
        order = stable_argsort(
            (both.feature, bits_for(int(both.feature.max()))), (largest - both.count, bits_for(largest))
        )
        rank = rank_in_group(group_starts(both.feature[order]), len(order))
        return _Listed(both.take(order[rank < LISTED]))

    def least(self, n_features: int) -> Ints:
        """The count that a further token must exceed to be listed [features]; 0 for lists with room."""
        least = np.zeros(n_features, np.int64)
        starts = group_starts(self.table.feature)
        full = starts[np.diff(starts, append=len(self.table)) == LISTED]
        least[self.table.feature[full]] = self.table.count[full + LISTED - 1]
        return least


class TokensByFeature:
    """Collects each feature's tokens from the run's merged table; its memory is bounded by features times LISTED."""

    def __init__(self, n_features: int) -> None:
        self._n_features = n_features
        self._occurrences = np.zeros(0, np.int64)  # [tokens so far]
        self._num_tokens, self._count, self._squares = (np.zeros(n_features, np.int64) for _ in range(3))
        self._low, self._high = (np.zeros(n_features, np.int64) for _ in range(2))  # halves of the sums
        self._listed = _Listed(TokenTable.empty())
        self._least = np.zeros(n_features, np.int64)
        self._new: list[TokenTable] = []

    def add(self, part: TokenTable) -> None:
        """Add the next part of the merged table; the parts are in order."""
        itself = part.feature == OCCURRENCES
        tokens = part.token[itself]
        if len(tokens):
            grown = np.zeros(max(len(self._occurrences), int(tokens[-1]) + 1), np.int64)
            grown[: len(self._occurrences)] = self._occurrences
            grown[tokens] = part.count[itself]
            self._occurrences = grown
        part = part.take(~itself)
        np.add.at(self._num_tokens, part.feature, 1)
        np.add.at(self._count, part.feature, part.count)
        np.add.at(self._squares, part.feature, part.count**2)  # right for up to three billion firings
        np.add.at(self._low, part.feature, part.total & LOW_HALF)
        np.add.at(self._high, part.feature, part.total >> HALF_BITS)
        self._new.append(part.take(part.count > self._least[part.feature]))
        if sum(map(len, self._new)) > _COMPACT_ENTRIES:
            self._cut()

    def to_parquet(self, summary: Summary, samples: TokenSamples, policy: TokenPolicy) -> bytes:
        """The bytes of the file; SaescopeError unless the summary is of the same activations."""
        if not np.array_equal(summary.count, self._count) or self._occurrences.sum() != summary.num_tokens:
            raise SaescopeError("the chunks' token tables don't have the run's activations: start a new run")
        self._cut()
        sink = pa.BufferOutputStream()
        with pq.ParquetWriter(sink, marked(SCHEMA), compression="zstd", write_statistics=["feature_id"]) as writer:
            writer.write_table(self._table(samples, policy), FEATURES_PER_GROUP)
        data: bytes = sink.getvalue().to_pybytes()
        return data

    def _cut(self) -> None:
        self._listed = self._listed.cut(TokenTable.concatenate(self._new))
        self._least = self._listed.least(self._n_features)
        self._new = []

    def _table(self, samples: TokenSamples, policy: TokenPolicy) -> pa.Table:
        listed = self._listed.table
        main = rank_in_group(group_starts(listed.feature), len(listed)) < MAIN_TOKENS
        lengths = np.bincount(listed.feature, minlength=self._n_features)
        shown_count, shown_low, shown_high, most = (np.zeros(self._n_features, np.int64) for _ in range(4))
        np.add.at(shown_count, listed.feature, listed.count)
        np.add.at(shown_low, listed.feature, listed.total & LOW_HALF)
        np.add.at(shown_high, listed.feature, listed.total >> HALF_BITS)
        np.maximum.at(most, listed.feature, listed.count)
        left_out = joined_halves(self._low - shown_low, self._high - shown_high)
        entries = pa.StructArray.from_arrays(
            [
                pa.array(listed.token),
                pa.array(listed.count),
                pa.array(in_units(listed.total)),
                pa.array(listed.maximum),
                pa.array(self._occurrences[listed.token]),
            ],
            fields=list(TOKEN),
        )
        fired = np.maximum(self._count, 1).astype(np.float64)
        columns = [
            pa.array(np.arange(self._n_features, dtype=np.int32)),
            pa.array(self._count),
            pa.array(self._num_tokens),
            pa.array(effective_tokens(self._count, self._squares)),
            pa.array(most / fired),
            pa.array(self._num_tokens - lengths),
            pa.array(self._count - shown_count),
            pa.array(in_units(left_out)),
            pa.ListArray.from_arrays(
                pa.array(starts_of(lengths).astype(np.int32)), entries, type=SCHEMA.field("tokens").type
            ),
        ]
        columns.append(not_firing(samples, listed.feature[main], listed.token[main], self._n_features, policy))
        return pa.table(columns, schema=SCHEMA)


def effective_tokens(firings: Ints, squares: Ints) -> NDArray[np.float64]:
    """On how many tokens features fire, were they equally frequent: 1 / sum of p^2, p a token's share of the firings.

    `squares` are the sums of the squared firings on each token. It is 0 for features that never fire.
    """
    fired = firings.astype(np.float64)
    effective: NDArray[np.float64] = fired * fired / np.maximum(squares, 1)
    return effective


def in_units(total: Ints) -> NDArray[np.float64]:
    """Sums in steps as sums of activations."""
    return total / STEPS_PER_UNIT
