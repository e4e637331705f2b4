"""Overview: per-feature statistics for the feature list, and its file, overview.parquet.

It has one row per feature, with the columns of features/*.parquet except the examples. Of these it has only the token
ids at which they were chosen. It is made from a summary, so an unfinished run has one too.
"""

from __future__ import annotations

import io
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sparse_autoencoder.data.parquet_memory import check_memory
from sparse_autoencoder.runs.format_version import check_schema, marked
from sparse_autoencoder.summaries.example_order import descending_key
from sparse_autoencoder.summaries.feature_metrics import FEATURE_METRICS
from sparse_autoencoder.summaries.feature_summary import Summary
from sparse_autoencoder.summaries.strength_bands import bands_of
from sparse_autoencoder.utils.numpy_array_ops import Ints, Mask, group_starts, starts_of

SUMS = ("sum_activation", "sum_activation_2", "sum_activation_3", "sum_activation_4")
HISTOGRAM = pa.list_(pa.struct([pa.field("bin", pa.int32()), pa.field("count", pa.int64())]))
_FEATURES_PER_ROW_GROUP = 1 << 15
_MAX_BYTES, _MAX_BYTES_PER_FEATURE = 1 << 24, 1 << 13  # when decompressed; about 1,000 for a feature are usual


@dataclass(frozen=True)
class Statistics:
    """All features' counts, sums and metrics, [features] each."""

    count: Ints  # tokens with activation > 0
    sums: tuple[NDArray[np.float64], ...]  # of a, a^2, a^3, a^4
    metrics: dict[str, NDArray[np.float64]]

    def columns(self, begin: int, end: int) -> dict[str, NDArray[Any]]:
        """The statistics of the features `begin` to `end` (exclusive), as columns of a Parquet file."""
        columns = {"num_active_tokens": self.count, **dict(zip(SUMS, self.sums, strict=True)), **self.metrics}
        ids = np.arange(begin, end, dtype=np.int32)
        return {"feature_id": ids, **{name: values[begin:end] for name, values in columns.items()}}


@dataclass(frozen=True)
class BandCounts:
    """How many activations some features have in each band of strength that is in use, flat, by feature and band."""

    feature: Ints  # counted from the first of these features
    number: Ints  # of the band (summaries/strength_bands.py)
    count: Ints


@dataclass(frozen=True)
class Histograms:
    """All features' histograms, flat: feature f has the entries `starts[f]` to `starts[f + 1]`, by ascending bin."""

    starts: Ints  # [features + 1]
    bins: NDArray[np.int32]  # [bins in use]
    counts: Ints  # [bins in use]

    def of(self, feature: int) -> dict[int, int]:
        """One feature's counts, by bin."""
        own = slice(self.starts[feature], self.starts[feature + 1])
        return dict(zip(self.bins[own].tolist(), self.counts[own].tolist(), strict=True))

    def bands(self, begin: int, end: int) -> BandCounts:
        """How many activations the features `begin` to `end` (exclusive) have in each band of strength."""
        starts = self.starts[begin : end + 1]
        own = slice(starts[0], starts[-1])
        feature = np.repeat(np.arange(end - begin), np.diff(starts))
        band = bands_of(self.bins[own].astype(np.int64))
        groups = group_starts(feature, band)
        counts = self.counts[own].astype(np.int64)
        total = np.add.reduceat(counts, groups) if len(groups) else counts
        return BandCounts(feature[groups], band[groups], total)

    def to_arrow(self, begin: int, end: int) -> pa.ListArray:
        """The histograms of the features `begin` to `end` (exclusive), as an Arrow array."""
        starts = self.starts[begin : end + 1]
        own = slice(starts[0], starts[-1])
        entries = pa.StructArray.from_arrays(
            [pa.array(self.bins[own]), pa.array(self.counts[own])], fields=list(HISTOGRAM.value_type)
        )
        return pa.ListArray.from_arrays(pa.array((starts - starts[0]).astype(np.int32)), entries)


@dataclass(frozen=True)
class ExampleTokens:
    """The distinct tokens at which each feature's examples were chosen, flat, strongest activation first."""

    starts: Ints  # [features + 1]
    ids: NDArray[np.int32]  # [tokens]

    def of(self, feature: int, limit: int | None = None) -> list[int]:
        """One feature's tokens, at most `limit` of them."""
        own: list[int] = self.ids[self.starts[feature] : self.starts[feature + 1]][:limit].tolist()
        return own

    def any_of(self, wanted: Mask) -> Mask:
        """Mask [features] of the features that have a wanted token; `wanted` is a mask [vocabulary].

        Raises IndexError if a token is not in the vocabulary.
        """
        found = np.zeros(len(self.starts) - 1, bool)
        having = np.diff(self.starts) > 0
        if having.any():
            found[having] = np.logical_or.reduceat(wanted[self.ids], self.starts[:-1][having])
        return found


@dataclass(frozen=True)
class Overview:
    """Per-feature statistics for the feature list."""

    statistics: Statistics
    histograms: Histograms
    tokens: ExampleTokens

    def to_parquet(self) -> bytes:
        """The bytes of overview.parquet."""
        n_features = len(self.statistics.count)
        columns = self.statistics.columns(0, n_features) | {
            "histogram": self.histograms.to_arrow(0, n_features),
            "token_ids": pa.ListArray.from_arrays(
                pa.array(self.tokens.starts.astype(np.int32)), pa.array(self.tokens.ids)
            ),
        }
        sink = io.BytesIO()
        table = pa.table(columns, schema=marked(_schema(self.statistics.metrics)))
        pq.write_table(table, sink, row_group_size=_FEATURES_PER_ROW_GROUP, compression="zstd", use_dictionary=False)
        return sink.getvalue()

    @classmethod
    def from_parquet(cls, data: bytes, n_features: int, metrics: Collection[str]) -> Overview:
        """The inverse of `to_parquet`.

        Raises ValueError, KeyError or an ArrowException for damaged bytes, NewerFormatError for those of a later
        version.
        """
        check_memory(io.BytesIO(data), _MAX_BYTES + _MAX_BYTES_PER_FEATURE * n_features)
        table = pq.read_table(io.BytesIO(data))
        check_schema("overview.parquet", table.schema.metadata)
        table = table.select(_schema(metrics).names).cast(_schema(metrics))
        if len(table) != n_features:
            raise ValueError(f"there are {len(table)} features in it, not {n_features}")
        histogram_starts, entries = _flat(table["histogram"])
        bins, counts = (entry.to_numpy() for entry in entries.flatten())
        token_starts, token_ids = _flat(table["token_ids"])
        numbers = {name: table[name].to_numpy() for name in (*SUMS, *metrics)}
        if not all(np.isfinite(values).all() for values in numbers.values()):
            raise ValueError("there are statistics in it that are infinite or no numbers")
        return cls(
            Statistics(
                table["num_active_tokens"].to_numpy(),
                tuple(numbers[name] for name in SUMS),
                {name: numbers[name] for name in metrics},
            ),
            Histograms(histogram_starts, bins, counts),
            ExampleTokens(token_starts, token_ids.to_numpy()),
        )


def overview_of(summary: Summary) -> Overview:
    """The overview of a summary."""
    return Overview(statistics_of(summary), histograms_of(summary), example_tokens(summary))


def statistics_of(summary: Summary) -> Statistics:
    """All features' statistics, with every metric of FEATURE_METRICS."""
    totals = summary.totals()
    metrics = {metric.name: metric.compute(totals) for metric in FEATURE_METRICS}
    return Statistics(summary.count, (summary.sum1, summary.sum2, summary.sum3, summary.sum4), metrics)


def histograms_of(summary: Summary) -> Histograms:
    """All features' histograms."""
    edges = np.arange(summary.spec.n_features + 1, dtype=np.int64) << 32
    return Histograms(
        np.searchsorted(summary.histogram_key, edges),
        (summary.histogram_key & 0xFFFFFFFF).astype(np.int32),
        summary.histogram_count,
    )


def example_tokens(summary: Summary) -> ExampleTokens:
    """The distinct tokens of each feature's examples, sorted by their strongest activation, then by token id."""
    lists = (summary.top, summary.random)
    feature, token = (np.concatenate([getattr(part, name) for part in lists]) for name in ("feature", "token"))
    key = descending_key(np.concatenate([part.value for part in lists]))
    # The strongest activation of each (feature, token). The stable sort is fast, as both lists are sorted by feature.
    pair = (feature.astype(np.int64) << 32) | token
    order = np.argsort(pair, kind="stable")
    starts = group_starts(pair[order])
    strongest = np.minimum.reduceat(key[order], starts) if len(starts) else key
    feature, token = feature[order[starts]], token[order[starts]]
    by_strength = np.argsort((feature.astype(np.int64) << 31) | strongest, kind="stable")
    bounds = np.searchsorted(feature, np.arange(summary.spec.n_features + 1, dtype=feature.dtype))
    return ExampleTokens(bounds, token[by_strength])


def _schema(metrics: Collection[str]) -> pa.Schema:
    floats = [pa.field(name, pa.float64(), nullable=False) for name in (*SUMS, *metrics)]
    return pa.schema(
        [
            pa.field("feature_id", pa.int32(), nullable=False),
            pa.field("num_active_tokens", pa.int64(), nullable=False),
            *floats,
            pa.field("histogram", HISTOGRAM, nullable=False),
            pa.field("token_ids", pa.list_(pa.int32()), nullable=False),
        ]
    )


def _flat(lists: pa.ChunkedArray) -> tuple[Ints, pa.Array]:
    """The lists' offsets (with the end of the last one), and their entries, flat."""
    whole = lists.combine_chunks()
    starts = starts_of(whole.value_lengths().to_numpy())
    return starts, whole.flatten()
