"""The schedules find mistakes: each of these, put into the services' work, is found by a schedule that is known."""

from __future__ import annotations

from itertools import chain

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.schedule import play

SCHEDULES = 1_000  # that are tried besides
# Schedules that found them: `python -m tests.simulation --mutants` prints these again. Any change of the work or of the
# simulation may make another schedule of each; then it takes longer, or one has to be looked for.
FOUND_AT: dict[str, int] = {
    "a_cancelled_run_is_published": 2197,
    "a_chunk_is_encoded_again_although_it_is": 4,
    "a_chunk_is_given_up_without_asking_the_others": 860,
    "a_damaged_state_is_the_end_of_its_run": 190,
    "a_deletion_comes_after_the_files": 13,
    "a_failure_undoes_a_deletion": 1210,
    "a_lease_is_renewed_for_whoever_has_it": 4,
    "a_lease_is_taken_from_whoever_has_it": 2945,
    "a_list_that_is_not_full_has_a_cutoff": 46,
    "a_record_of_failure_is_written_over_a_result": 4,
    "a_retry_begins_with_what_was_merged_after_the_failure": 4,
    "a_run_that_goes_back_keeps_its_old_metadata": 46,
    "a_state_that_another_aggregator_removed_fails_the_run": 46,
    "a_success_is_counted_as_an_attempt": 4,
    "a_worker_that_is_told_to_stop_keeps_its_chunk_counted": 899,
    "an_example_as_strong_as_the_last_is_left_out": 3,
    "an_outage_is_counted_as_an_attempt": 87,
    "attempts_are_not_counted": 4,
    "chunks_are_removed_before_the_state_is_saved": 0,
    "chunks_are_removed_when_one_state_holds_them": 0,
    "chunks_share_their_attempts": 154,
    "ingest_never_holds_back": 3,
    "cutoffs_outlive_a_damaged_partial": 1740,
    "memory_is_trusted_more_than_the_store": 2866,
    "metadata_is_written_before_the_files": 0,
    "progress_does_not_count": 2130,
    "resuming_forgives_nothing": 4,
    "rows_that_were_encoded_need_not_be_the_sources": 5772,
    "the_last_plan_counts": 522,
    "the_partial_is_written_before_the_prompts": 400,
    "the_wait_for_another_processor_never_ends": 46,
    "the_reconcile_loop_does_not_look_at_messages": 25,
    "the_reconcile_loop_does_not_wait_for_who_is_still_at_work": 908,
    "the_reconcile_loop_forgets_sources": 0,
    "what_hangs_is_left_alone": 11,
    "what_was_begun_on_another_processor_goes_on_here": 1,
    "what_was_computed_is_written_unasked": 4,
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mistake_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS[name](monkeypatch)
    first = [FOUND_AT[name]] if name in FOUND_AT else []
    found = any(play(seed).violations for seed in chain(first, range(SCHEDULES)))
    assert found, f"look for another schedule: python -m tests.simulation --mutants {name}"


def test_without_a_mistake_these_schedules_find_nothing() -> None:
    assert {seed: found for seed in set(FOUND_AT.values()) if (found := play(seed).violations)} == {}
