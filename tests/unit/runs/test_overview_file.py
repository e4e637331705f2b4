"""An overview says of every feature what brute force says, and its file says the same."""

from __future__ import annotations

import io
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.runs.overview_file import ExampleTokens, Overview, overview_of
from sparse_autoencoder.summaries.feature_metrics import FEATURE_METRICS
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec
from tests.support.live_runs import entries_of
from tests.support.oracle import OracleFeature, OracleWindow, summarise_feature
from tests.support.summaries import datasets, summarise

METRICS = [metric.name for metric in FEATURE_METRICS]
SPEC = SummarySpec(n_features=4, examples_per_feature=2, seed=7)


def tokens_of(feature: OracleFeature) -> list[int]:
    """The tokens of a feature's examples, where it is strongest first, then by number."""
    examples = feature.top + feature.random
    strongest = {token: max(e.value for e in examples if e.token == token) for token in {e.token for e in examples}}
    return sorted(strongest, key=lambda token: (-strongest[token], token))


@given(datasets(n_features=4, max_rows=20), st.integers(1, 6))
def test_every_features_histogram_and_tokens_equal_the_oracle(windows: list[OracleWindow], per_feature: int) -> None:
    spec = SummarySpec(n_features=4, examples_per_feature=per_feature, seed=7)
    found = entries_of(overview_of(summarise(windows, spec)))
    for feature, entry in enumerate(found):
        expected = summarise_feature(windows, feature, 1, per_feature, seed=7)
        assert entry["count"] == expected.count
        assert entry["sums"] == pytest.approx([float(total) for total in expected.sums], rel=1e-12, abs=0)
        assert entry["metrics"]["max_activation"] == expected.maximum
        assert entry["histogram"] == expected.histogram
        assert entry["tokens"] == tokens_of(expected)


@given(datasets(n_features=4))
def test_an_overview_survives_being_stored(windows: list[OracleWindow]) -> None:
    overview = overview_of(summarise(windows, SPEC))
    stored = Overview.from_parquet(overview.to_parquet(), SPEC.n_features, METRICS)
    assert entries_of(stored) == entries_of(overview)


def test_features_that_never_fired_have_zeros_and_nothing_else() -> None:
    overview = overview_of(Summary.empty(SPEC))
    stored = Overview.from_parquet(overview.to_parquet(), SPEC.n_features, METRICS)
    nothing = {
        "count": 0,
        "sums": [0.0] * 4,
        "metrics": dict.fromkeys(METRICS, 0.0),
        "histogram": {},
        "tokens": [],
    }
    assert entries_of(stored) == entries_of(overview) == [nothing] * 4


def test_the_file_has_a_row_per_feature_with_the_names_of_the_features_files() -> None:
    table = pq.read_table(io.BytesIO(overview_of(Summary.empty(SPEC)).to_parquet()))
    sums = ["sum_activation", "sum_activation_2", "sum_activation_3", "sum_activation_4"]
    assert table.column_names == ["feature_id", "num_active_tokens", *sums, *METRICS, "histogram", "token_ids"]
    assert table["feature_id"].to_pylist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.slice(1),
        lambda table: table.drop_columns("skew"),
        lambda table: table.drop_columns("token_ids"),
        lambda table: table.set_column(1, "num_active_tokens", pa.array(["many"] * 4)),
        lambda table: table.set_column(1, "num_active_tokens", pa.array([1, None, 1, 1])),
        lambda table: table.set_column(table.num_columns - 1, "token_ids", pa.array([["a"]] * 4)),
    ],
)
def test_a_file_of_something_else_is_an_error(change: Any) -> None:
    sink = io.BytesIO()
    pq.write_table(change(pq.read_table(io.BytesIO(overview_of(Summary.empty(SPEC)).to_parquet()))), sink)
    with pytest.raises((ValueError, KeyError, pa.ArrowException)):
        Overview.from_parquet(sink.getvalue(), SPEC.n_features, METRICS)


@given(st.lists(st.lists(st.integers(0, 9), max_size=4)), st.sets(st.integers(0, 9)))
def test_features_with_one_of_some_tokens_are_found(features: list[list[int]], wanted: set[int]) -> None:
    starts = np.cumsum([0, *map(len, features)])
    tokens = ExampleTokens(starts, np.array([*chain.from_iterable(features)], np.int32))
    mask = np.array([token in wanted for token in range(10)])
    assert tokens.any_of(mask).tolist() == [bool(wanted & set(own)) for own in features]


def test_a_token_beyond_the_vocabulary_is_an_error() -> None:
    tokens = ExampleTokens(np.array([0, 2]), np.array([3, 10], np.int32))
    with pytest.raises(IndexError):
        tokens.any_of(np.zeros(10, bool))
