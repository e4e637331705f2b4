"""Partials that were cut by cutoffs of earlier chunks merge to the bytes of the whole ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.errors import DamagedError
from sparse_autoencoder.runs.example_cutoffs import ExampleCutoffs, MergedChunks
from sparse_autoencoder.runs.partial_format import Partial
from sparse_autoencoder.runs.run_state import FailedChunk, RunState
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec
from tests.support.oracle import OracleWindow
from tests.support.summaries import datasets, summarise

SPEC = SummarySpec(n_features=3, examples_per_feature=2, seed=7)
NOTHING = RunState(Summary.empty(SPEC))
FULL = 2**32 - 1


def state_of(chunk: int, windows: list[OracleWindow]) -> RunState:
    """A chunk's part; of a failed chunk if there are no windows."""
    if windows:
        return RunState(summarise(windows, SPEC), next_chunk=chunk + 1)
    failed = FailedChunk(chunk=chunk, first_row=0, last_row=0, num_rows=1, error="too hard")
    return RunState(Summary.empty(SPEC), next_chunk=chunk + 1, failed_chunks=[failed])


def merged(parts: list[RunState]) -> RunState:
    state = NOTHING
    for part in parts:
        state = state.merge(part)
    return state


def windows_with(values: list[float], first_row: int = 0) -> list[OracleWindow]:
    """A row for each value, in each of which feature 0 has that value at its only counted token."""
    return [
        OracleWindow(first_row + row, 0, [0, first_row + row + 1], np.array([[0, 0, 0], [value, 0, 0]]))
        for row, value in enumerate(values)
    ]


@given(datasets(max_rows=14), st.lists(st.integers(0, 3), min_size=1, max_size=10), st.data())
def test_every_state_is_the_same_bytes_whichever_earlier_states_limited_its_parts(
    windows: list[OracleWindow], lengths: list[int], data: st.DataObject
) -> None:
    whole, cut, cutoffs = NOTHING, NOTHING, []
    for chunk, length in enumerate(lengths):
        cutoffs.append(ExampleCutoffs.from_bytes(ExampleCutoffs.of(cut).to_bytes(), SPEC.n_features))
        part, windows = state_of(chunk, windows[:length]), windows[length:]
        partial = Partial(part).cut_by(data.draw(st.sampled_from(cutoffs)))
        whole = whole.merge(part)
        cut = Partial.from_bytes(partial.to_bytes()).merged_into(cut)
        assert cut.to_bytes() == whole.to_bytes()


def test_a_list_that_is_not_full_has_no_cutoff() -> None:
    cutoffs = ExampleCutoffs.of(state_of(0, windows_with([3.0])))
    assert cutoffs.keys.top.tolist() == [FULL, FULL, FULL]
    assert cutoffs.keys.random.tolist() == [FULL, FULL, FULL]


def test_what_is_weaker_than_a_full_lists_last_is_left_out_and_what_is_as_strong_stays() -> None:
    cutoffs = ExampleCutoffs.of(state_of(0, windows_with([3.0, 2.0, 1.0])))
    part = state_of(1, windows_with([1.5, 2.0], first_row=3))
    assert part.summary.top.value.tolist() == [2.0, 1.5]
    assert Partial(part).cut_by(cutoffs).state.summary.top.value.tolist() == [2.0]


def test_nothing_but_examples_is_left_out() -> None:
    cutoffs = ExampleCutoffs.of(state_of(0, windows_with([3.0, 2.0])))
    part = state_of(1, windows_with([1.0, 1.5], first_row=3))
    cut = Partial(part).cut_by(cutoffs).state
    assert len(cut.summary.top) == 0
    again = replace(cut.summary, top=part.summary.top, random=part.summary.random, bands=part.summary.bands)
    assert replace(cut, summary=again).to_bytes() == part.to_bytes()


@pytest.mark.parametrize("next_chunk", [3, 4, 9])
def test_cutoffs_of_a_chunk_itself_or_of_later_ones_are_not_used(next_chunk: int) -> None:
    cutoffs = ExampleCutoffs.of(replace(state_of(0, windows_with([3.0, 2.0])), next_chunk=next_chunk))
    part = Partial(state_of(2, windows_with([1.0], first_row=3)))
    assert part.cut_by(cutoffs) is part


@pytest.mark.parametrize(
    ("merged_chunks", "next_chunk", "failed", "expected"),
    [
        (MergedChunks(), 0, [], True),
        (MergedChunks(), 3, [0, 1, 2], True),
        (MergedChunks(next_chunk=2), 2, [], True),
        (MergedChunks(next_chunk=2), 5, [2, 4], True),
        (MergedChunks(next_chunk=2, failed=(1,)), 5, [1], True),
        (MergedChunks(next_chunk=2, failed=(1,)), 5, [], True),  # the state has one more
        (MergedChunks(next_chunk=3), 2, [], False),
        (MergedChunks(next_chunk=2), 5, [1], False),
        (MergedChunks(next_chunk=2, failed=(1,)), 5, [0, 1], False),
    ],
)
def test_merged_chunks_are_in_a_state_that_has_all_of_them(
    merged_chunks: MergedChunks, next_chunk: int, failed: list[int], expected: bool
) -> None:
    assert merged_chunks.are_in(next_chunk, failed) == expected


def test_a_part_that_was_cut_by_a_chunk_that_failed_elsewhere_is_not_merged() -> None:
    cutoffs = ExampleCutoffs.of(state_of(0, windows_with([3.0, 2.0])))
    part = Partial(state_of(1, windows_with([1.0], first_row=3))).cut_by(cutoffs)
    with pytest.raises(ValueError, match="chunk 1 was cut by cutoffs of chunks that are not merged"):
        part.merged_into(merged([state_of(0, [])]))


def test_cutoffs_of_another_number_of_features_are_an_error() -> None:
    with pytest.raises(DamagedError, match="this cutoffs file can't be understood"):
        ExampleCutoffs.from_bytes(ExampleCutoffs.of(state_of(0, windows_with([3.0, 2.0]))).to_bytes(), 4)
