"""Summaries equal the brute-force oracle, however the dataset is cut up and put together again."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.summaries import example_order, summarise_numpy, summary_bytes
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec
from sparse_autoencoder.summaries.summarise_numpy import BlockSummariser, SparseActivations
from tests.support import oracle
from tests.support.oracle import OracleWindow
from tests.support.same_bits import assert_same_bits
from tests.support.summaries import assert_equals_oracle, datasets, summarise, to_activations, to_windows

SPEC = SummarySpec(n_features=3, examples_per_feature=2, seed=7)


def parts_of(windows: list[OracleWindow], cuts: list[int]) -> list[Summary]:
    bounds = [0, *sorted(cut % (len(windows) + 1) for cut in cuts), len(windows)]
    slices = [windows[begin:end] for begin, end in pairwise(bounds)]
    return [summarise(part, SPEC) for part in slices if part]


def merged(parts: list[Summary]) -> Summary:
    total = Summary.empty(SPEC)
    for part in parts:
        total = total.merge(part)
    return total


@given(datasets(), st.sampled_from([0, 1]))
def test_a_blocks_summary_equals_the_oracle(windows: list[OracleWindow], first_counted: int) -> None:
    assert_equals_oracle(summarise(windows, SPEC, first_counted), windows, first_counted)


@given(datasets(), st.lists(st.integers(0, 100), max_size=4))
def test_merged_parts_equal_the_oracle_for_any_partition(windows: list[OracleWindow], cuts: list[int]) -> None:
    assert_equals_oracle(merged(parts_of(windows, cuts)), windows, 1)


@given(datasets(), st.lists(st.integers(0, 100), max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_merging_changes_nothing_but_rounding(
    windows: list[OracleWindow], cuts: list[int], shuffler: random.Random
) -> None:
    parts = parts_of(windows, cuts)
    shuffler.shuffle(parts)
    assert_equals_oracle(merged(parts), windows, 1)


@given(datasets(), st.lists(st.integers(0, 100), max_size=5))
def test_merging_is_associative_but_for_rounding(windows: list[OracleWindow], cuts: list[int]) -> None:
    parts = parts_of(windows, cuts)
    while len(parts) > 1:  # as a balanced tree instead of one by one
        parts = [parts[i].merge(parts[i + 1]) if i + 1 < len(parts) else parts[i] for i in range(0, len(parts), 2)]
    assert_equals_oracle(parts[0], windows, 1)


@given(datasets())
def test_merging_with_nothing_changes_nothing(windows: list[OracleWindow]) -> None:
    summary = summarise(windows, SPEC)
    assert_same_bits(summary.merge(Summary.empty(SPEC)), summary)
    assert_same_bits(Summary.empty(SPEC).merge(summary), summary)


@given(datasets(n_features=5, max_rows=20))
def test_lists_longer_than_the_number_of_examples_stay_exact(windows: list[OracleWindow]) -> None:
    spec = SummarySpec(n_features=5, examples_per_feature=1, seed=0)
    assert_equals_oracle(summarise(windows, spec), windows, 1)


@given(datasets(max_rows=20), st.lists(st.integers(0, 100), max_size=3))
def test_draws_that_differ_in_their_lower_half_alone_are_ordered_by_it(
    windows: list[OracleWindow], cuts: list[int]
) -> None:
    real_draws, real_draw = example_order.activation_draws, oracle.draw
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(summarise_numpy, "activation_draws", lambda *args: real_draws(*args) >> np.uint64(32))
        patch.setattr(oracle, "draw", lambda *args: real_draw(*args) >> 32)
        assert_equals_oracle(merged(parts_of(windows, cuts)), windows, 1)


@given(datasets())
def test_a_summary_survives_being_stored(windows: list[OracleWindow]) -> None:
    summary = summarise(windows, SPEC)
    stored, extra = summary_bytes.from_bytes(summary_bytes.to_bytes(summary, {"next": np.array([3])}))
    assert_same_bits(stored, summary)
    assert extra["next"].tolist() == [3]


def test_an_empty_summary_survives_being_stored() -> None:
    stored, _extra = summary_bytes.from_bytes(summary_bytes.to_bytes(Summary.empty(SPEC)))
    assert_same_bits(stored, Summary.empty(SPEC))


def test_the_order_of_a_blocks_activations_is_irrelevant() -> None:
    windows = [OracleWindow(0, 0, [0, 1, 2], np.array([[0, 0, 0], [1.0, 2.0, 0], [1.0, 0, 3.0]]))]
    activations = to_activations(windows, 1)
    backwards = SparseActivations(activations.token[::-1], activations.feature[::-1], activations.value[::-1])
    first = BlockSummariser(to_windows(windows), activations, SPEC).unrounded(2).rounded()
    second = BlockSummariser(to_windows(windows), backwards, SPEC).unrounded(2).rounded()
    assert_same_bits(first, second)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_activation_that_is_not_finite_is_an_error_that_names_the_rows(bad: float) -> None:
    windows = [OracleWindow(41, 0, [0, 1], np.zeros((2, 3)))]
    activations = SparseActivations(np.array([1], np.int32), np.array([2], np.int32), np.array([bad], np.float32))
    with pytest.raises(SaescopeError, match="not finite in the rows 41 to 41"):
        BlockSummariser(to_windows(windows), activations, SPEC)


@pytest.mark.parametrize("change", [{"n_features": 4}, {"examples_per_feature": 3}, {"seed": 8}])
def test_summaries_of_different_settings_do_not_merge(change: dict[str, int]) -> None:
    with pytest.raises(SaescopeError, match="different settings"):
        Summary.empty(SPEC).merge(Summary.empty(replace(SPEC, **change)))


def test_features_beyond_sixteen_bits_are_told_apart() -> None:
    n_features = 1 << 20
    spec = SummarySpec(n_features, 2, 0)
    activations = SparseActivations(
        np.array([1, 2], np.int32), np.array([n_features - 1, 0], np.int32), np.array([2.5, 0.5], np.float32)
    )
    windows = [OracleWindow(3, 0, [0, 1, 2], np.zeros((3, 1)))]
    summary = BlockSummariser(to_windows(windows), activations, spec).unrounded(2).rounded()
    assert summary.count[n_features - 1] == 1
    assert summary.maximum[n_features - 1] == 2.5
    assert summary.top.feature.tolist() == [0, n_features - 1]
    assert summary.top.position.tolist() == [2, 1]
