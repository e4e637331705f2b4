"""The services' work with a mistake in it, each of a kind that is easily made: the schedules must find them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from services.aggregator import merge_and_publish as aggregator
from services.aggregator import reconcile_loop
from services.common import work_names
from services.common.attempt_rule import AttemptRule, Moved
from services.common.dependency_interfaces import AttemptRecord, Hold
from services.common.run_control import RunControl
from services.common.run_json_files import Stopped, StopReason
from services.common.run_workspace import Workspace, now
from services.common.tasks.messages import Message
from services.encoder import encode_chunks as encoder
from services.ingest import read_source as ingest
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.saved_states import remove_old_states
from tests.simulation import examples
from tests.simulation.compute import Compute
from tests.simulation.examples import FakeCutoffs
from tests.simulation.fake_state import FakeState
from tests.simulation.memory_redis import MemoryRedis, PlayedAttempts, PlayedLeases
from tests.simulation.world import VirtualDeadlines

Mutant = Callable[[pytest.MonkeyPatch], None]
Aggregator = aggregator.Aggregator[FakeState]
Kept = aggregator._Kept[FakeState]


def chunks_are_removed_before_the_state_is_saved(patch: pytest.MonkeyPatch) -> None:
    save = Aggregator._save

    def remove_and_save(self: Aggregator, space: Workspace, kept: Kept) -> None:
        space.remove_merged(kept.state.next_chunk)
        save(self, space, kept)

    patch.setattr(aggregator.Aggregator, "_save", remove_and_save)


def chunks_are_removed_when_one_state_holds_them(patch: pytest.MonkeyPatch) -> None:
    def remove_all_but_the_last(folder: RunFolder) -> int:
        remove_old_states(folder)
        return max(folder.numbers("state"), default=0)

    patch.setattr(aggregator, "remove_old_states", remove_all_but_the_last)


def a_damaged_state_is_the_end_of_its_run(patch: pytest.MonkeyPatch) -> None:
    def end(space: Workspace, chunk: int, damaged: Sequence[str]) -> None:
        raise SaescopeError(damaged[0])

    patch.setattr(aggregator, "_check_can_go_on", end)


def a_state_that_another_aggregator_removed_fails_the_run(patch: pytest.MonkeyPatch) -> None:
    def read(self: Aggregator, space: Workspace, cursor: int) -> FakeState:
        return self._merging.load(self._deps.store.get(space.folder.state(cursor)))

    patch.setattr(aggregator.Aggregator, "_read", read)


def metadata_is_written_before_the_files(patch: pytest.MonkeyPatch) -> None:
    finish = Aggregator._finish

    def announce_and_finish(
        self: Aggregator, space: Workspace, hold: Hold, plan: RunMetadata, kept: Kept, moved: Moved
    ) -> bool:
        status = "completed_with_errors" if kept.state.failed_chunks else "complete"
        space.folder.write_metadata(plan.model_copy(update={"status": status}))
        return finish(self, space, hold, plan, kept, moved)

    patch.setattr(aggregator.Aggregator, "_finish", announce_and_finish)


def a_run_is_published_without_what_follows_from_the_weights(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(aggregator, "turn_of_weights", lambda space, options: None)


def nobody_looks_whether_the_weights_turn_was_lost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reconcile_loop, "turn_of_weights", lambda space: None)


def memory_is_trusted_more_than_the_store(patch: pytest.MonkeyPatch) -> None:
    load = Aggregator._load

    def load_once(self: Aggregator, space: Workspace, plan: RunMetadata) -> Kept:
        return self._kept.get(space.folder.run_id) or load(self, space, plan)

    patch.setattr(aggregator.Aggregator, "_load", load_once)


def a_chunk_is_encoded_again_although_it_is(patch: pytest.MonkeyPatch) -> None:
    class Blind(Workspace):
        def has_partial(self, chunk: int) -> bool:
            return False

    patch.setattr(encoder, "Workspace", Blind)


def the_partial_is_written_before_the_prompts(patch: pytest.MonkeyPatch) -> None:
    class Hasty(Workspace):
        def put_prompts(self, chunk: int, data: bytes, firings: bytes | None = None) -> None:
            self.prompts = data

        def put_partial(self, chunk: int, data: bytes) -> None:
            super().put_partial(chunk, data)
            if data.endswith(b"encoded"):
                super().put_prompts(chunk, self.prompts)

    patch.setattr(encoder, "Workspace", Hasty)


def what_was_computed_is_written_unasked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(encoder, "_of_use", lambda output, space, chunk, hold: True)


def chunks_share_their_attempts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(work_names, "encoding", lambda chunk: "encode/any")


def a_success_is_counted_as_an_attempt(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(AttemptRule, "forget", lambda self, run_id, what: None)


def attempts_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(AttemptRule, "given_up", lambda self, run_id, what: None)


def an_outage_is_counted_as_an_attempt(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PlayedAttempts, "take_back", lambda self, run_id, what, worker: None)


def a_chunk_is_given_up_without_asking_the_others(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(AttemptRecord, "exhausted", lambda self, limit, workers: self.total >= limit)


def progress_does_not_count(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(AttemptRule, "_advance", lambda *_: lambda: None)


def a_record_of_failure_is_written_over_a_result(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(encoder, "_of_use", lambda output, space, chunk, hold: space.wanted())


def a_cancelled_run_is_published(patch: pytest.MonkeyPatch) -> None:
    class Deaf(Workspace):
        def active(self) -> bool:
            return self.wanted()

    finish = Aggregator._finish

    def publish_anyway(
        self: Aggregator, space: Workspace, hold: Hold, plan: RunMetadata, kept: Kept, moved: Moved
    ) -> bool:
        return finish(self, Deaf(self._deps.store, space.folder.run_id), hold, plan, kept, moved)

    patch.setattr(aggregator.Aggregator, "_finish", publish_anyway)


def cutoffs_outlive_a_damaged_partial(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Workspace, "delete_cutoffs", lambda self: None)


def what_was_begun_on_another_processor_goes_on_here(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Compute, "unfit", lambda self, plan: None)


def the_last_plan_counts(patch: pytest.MonkeyPatch) -> None:
    def overwrite(self: RunFolder, metadata: RunMetadata) -> bool:
        self.write_plan(metadata)
        return True

    patch.setattr(RunFolder, "create_plan", overwrite)


def the_wait_for_another_processor_never_ends(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reconcile_loop.ReconcileLoop, "_note_missing_workers", lambda self, space, in_progress: None)


def a_worker_that_is_told_to_stop_keeps_its_chunk_counted(patch: pytest.MonkeyPatch) -> None:
    def moved(self: AttemptRule, moved: Moved) -> None:
        if self.stopping():
            raise RuntimeError("told to stop")
        moved()

    patch.setattr(AttemptRule, "_moved", moved)


def what_hangs_is_left_alone(patch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def blind(
        self: VirtualDeadlines, what: str, floor_s: float, usual_s: float, expired: Callable[[], None]
    ) -> Iterator[Moved]:
        yield lambda: None

    patch.setattr(VirtualDeadlines, "watch", blind)


def a_lease_is_renewed_for_whoever_has_it(patch: pytest.MonkeyPatch) -> None:
    def renew(self: MemoryRedis, key: str, owner: str, ms: int) -> int:
        return 1

    patch.setattr(MemoryRedis, "_renew", renew)


def a_lease_is_taken_from_whoever_has_it(patch: pytest.MonkeyPatch) -> None:
    acquire = PlayedLeases.acquire

    def take(self: PlayedLeases, name: str, owner: str) -> bool:
        acquire(self, name, owner)
        return True

    patch.setattr(PlayedLeases, "acquire", take)


def a_retry_begins_with_what_was_merged_after_the_failure(patch: pytest.MonkeyPatch) -> None:
    keep = Workspace.keep_before_failures
    patch.setattr(Workspace, "keep_before_failures", lambda self, cursor, data: keep(self, cursor + 1, data))


def a_run_that_goes_back_keeps_its_old_metadata(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Workspace, "go_back", lambda self: None)


def resuming_forgives_nothing(patch: pytest.MonkeyPatch) -> None:
    def resume(self: RunControl, run_id: str) -> None:
        self.workspace(run_id).go_on()

    patch.setattr(RunControl, "resume", resume)


def a_deletion_comes_after_the_files(patch: pytest.MonkeyPatch) -> None:
    def delete(self: RunControl, run_id: str) -> None:
        space = self.workspace(run_id)
        space.delete_everything()
        self._deps.store.delete(space.folder.metadata)
        space.stop("deleted")

    patch.setattr(RunControl, "delete", delete)


def ingest_never_holds_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ingest, "_wait_for_room", lambda space, world, hold, moved: not hold.lost and space.active())


def rows_that_were_encoded_need_not_be_the_sources(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(aggregator, "_check_rows", lambda ingested, state: None)


def a_failure_undoes_a_deletion(patch: pytest.MonkeyPatch) -> None:
    def stop(self: Workspace, status: StopReason, error: str | None = None) -> None:
        self._write("stopped.json", Stopped(status=status, error=error, at=now()))

    patch.setattr(Workspace, "stop", stop)


def the_reconcile_loop_does_not_wait_for_who_is_still_at_work(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reconcile_loop.InProgress, "has_worker", lambda self, run_id: False)


def the_reconcile_loop_forgets_sources(patch: pytest.MonkeyPatch) -> None:
    requeue = reconcile_loop.ReconcileLoop._requeue

    def requeue_some(self: reconcile_loop.ReconcileLoop, message: Message, requeued: reconcile_loop.Requeued) -> None:
        if message.task != "ingest":
            requeue(self, message, requeued)

    patch.setattr(reconcile_loop.ReconcileLoop, "_requeue", requeue_some)


def the_reconcile_loop_does_not_look_at_messages(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reconcile_loop.InProgress, "covers", lambda self, message, lease: lease in self.held)


def an_example_as_strong_as_the_last_is_left_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FakeCutoffs, "reached_by", lambda self, example: example // examples.TIES < self.key)


def a_list_that_is_not_full_has_a_cutoff(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(examples, "last_key", lambda kept: kept[-1][0] // examples.TIES if kept else examples.NUMBERS)


MUTANTS: dict[str, Mutant] = {
    mutant.__name__: mutant
    for mutant in (
        chunks_are_removed_before_the_state_is_saved,
        a_state_that_another_aggregator_removed_fails_the_run,
        chunks_are_removed_when_one_state_holds_them,
        a_run_is_published_without_what_follows_from_the_weights,
        nobody_looks_whether_the_weights_turn_was_lost,
        a_damaged_state_is_the_end_of_its_run,
        metadata_is_written_before_the_files,
        memory_is_trusted_more_than_the_store,
        a_chunk_is_encoded_again_although_it_is,
        the_partial_is_written_before_the_prompts,
        what_was_computed_is_written_unasked,
        chunks_share_their_attempts,
        a_success_is_counted_as_an_attempt,
        attempts_are_not_counted,
        an_outage_is_counted_as_an_attempt,
        a_chunk_is_given_up_without_asking_the_others,
        progress_does_not_count,
        a_record_of_failure_is_written_over_a_result,
        a_cancelled_run_is_published,
        cutoffs_outlive_a_damaged_partial,
        what_was_begun_on_another_processor_goes_on_here,
        the_last_plan_counts,
        the_wait_for_another_processor_never_ends,
        a_worker_that_is_told_to_stop_keeps_its_chunk_counted,
        what_hangs_is_left_alone,
        a_lease_is_renewed_for_whoever_has_it,
        a_lease_is_taken_from_whoever_has_it,
        a_retry_begins_with_what_was_merged_after_the_failure,
        a_run_that_goes_back_keeps_its_old_metadata,
        resuming_forgives_nothing,
        a_deletion_comes_after_the_files,
        ingest_never_holds_back,
        rows_that_were_encoded_need_not_be_the_sources,
        a_failure_undoes_a_deletion,
        the_reconcile_loop_does_not_wait_for_who_is_still_at_work,
        the_reconcile_loop_forgets_sources,
        the_reconcile_loop_does_not_look_at_messages,
        an_example_as_strong_as_the_last_is_left_out,
        a_list_that_is_not_full_has_a_cutoff,
    )
}
