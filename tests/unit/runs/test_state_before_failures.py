"""The state before a run's first failed chunk is kept for those who try failed chunks again, who are told about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.run_state import FailedChunk, RunState
from sparse_autoencoder.runs.saved_states import (
    forget_kept,
    keep_before,
    remove_states,
    state_to_retry_from,
    write_state,
)
from sparse_autoencoder.runs.store import DirectoryStore
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec

SPEC = SummarySpec(n_features=8, examples_per_feature=2, seed=0)
STATE = RunState(Summary.empty(SPEC), next_chunk=12, num_records=120, num_prompts=118, skipped=Counter({"no text": 2}))
KEPT = "goes on from chunk 12: the state before it was kept; chunks 12 to 20 are computed again"
ALL = "everything is computed again, chunks 0 to 20, since no state before them was kept"


def failed(chunk: int) -> FailedChunk:
    return FailedChunk(chunk=chunk, first_row=10 * chunk, last_row=10 * chunk + 9, num_rows=10, error="out of memory")


def part(chunk: int, *failures: FailedChunk) -> RunState:
    return RunState(Summary.empty(SPEC), next_chunk=chunk + 1, failed_chunks=list(failures))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """That of a finished run of 21 chunks, of which 12 and 20 failed."""
    folder = RunFolder(DirectoryStore(tmp_path), "run")
    for chunk in {*range(20)} - {12}:
        folder.store.put(folder.prompts(chunk), b"")
    return folder


def test_failed_chunks_are_tried_again_from_the_state_before_the_first_of_them(folder: RunFolder) -> None:
    keep_before(part(12, failed(12)), STATE, folder)
    state, said = state_to_retry_from(folder, SPEC, [12, 20])
    assert (state.next_chunk, state.num_records, state.num_prompts) == (12, 120, 118)
    assert state.skipped == {"no text": 2}
    assert said == KEPT


def test_nothing_is_kept_before_chunks_that_did_not_fail(folder: RunFolder) -> None:
    keep_before(part(12), STATE, folder)
    assert folder.numbers("before-failures") == []


def test_what_is_kept_stays_when_further_chunks_fail(folder: RunFolder) -> None:
    keep_before(part(12, failed(12)), STATE, folder)
    keep_before(part(20, failed(20)), replace(STATE, next_chunk=20, failed_chunks=[failed(12)]), folder)
    state, _said = state_to_retry_from(folder, SPEC, [12, 20])
    assert state.next_chunk == 12


def test_what_is_kept_outlives_the_states_from_which_an_unfinished_run_goes_on(folder: RunFolder) -> None:
    keep_before(part(12, failed(12)), STATE, folder)
    write_state(folder, replace(STATE, next_chunk=20))
    remove_states(folder)
    assert state_to_retry_from(folder, SPEC, [12, 20])[1] == KEPT


def lose(folder: RunFolder) -> None:
    forget_kept(folder)


def cut_short(folder: RunFolder) -> None:
    folder.store.put(folder.before_failures(12), folder.store.get(folder.before_failures(12))[:-9])


def overwrite(folder: RunFolder) -> None:
    folder.store.put(folder.before_failures(12), b"something else" * 10)


def keep_too_late(folder: RunFolder) -> None:
    folder.store.put(folder.before_failures(12), replace(STATE, next_chunk=13).to_bytes())


def keep_another_run_s(folder: RunFolder) -> None:
    state = replace(STATE, summary=Summary.empty(replace(SPEC, seed=1)))
    keep_before(part(12, failed(12)), state, folder)


def keep_one_with_failures(folder: RunFolder) -> None:
    folder.store.put(folder.before_failures(12), replace(STATE, failed_chunks=[failed(3)]).to_bytes())


@pytest.mark.parametrize(
    "happen", [lose, cut_short, overwrite, keep_too_late, keep_another_run_s, keep_one_with_failures]
)
def test_everything_is_computed_again_where_nothing_of_use_was_kept(
    happen: Callable[[RunFolder], None], folder: RunFolder
) -> None:
    keep_before(part(12, failed(12)), STATE, folder)
    happen(folder)
    state, said = state_to_retry_from(folder, SPEC, [12, 20])
    assert (state.next_chunk, state.num_records, state.failed_chunks) == (0, 0, [])
    assert said == ALL
