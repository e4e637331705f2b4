"""The services' work with a mistake in it, each of a kind that is easily made: the schedules must find them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from services.aggregator import watch
from services.aggregator import work as aggregator
from services.common import names
from services.common.messages import Message
from services.common.ports import Hold
from services.common.workspace import Stopped, StopReason, Workspace, now
from services.encoder import work as encoder
from services.ingest import work as ingest
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs import RunFolder, RunMetadata
from sparse_autoencoder.states import remove_old_states
from tests.simulation import examples
from tests.simulation.compute import FakeState
from tests.simulation.examples import FakeLimits

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
        return folder.state_cursor() or 0

    patch.setattr(aggregator, "remove_old_states", remove_all_but_the_last)


def a_damaged_state_is_the_end_of_its_run(patch: pytest.MonkeyPatch) -> None:
    def end(space: Workspace, chunk: int, damaged: Sequence[str]) -> None:
        raise SaescopeError(damaged[0])

    patch.setattr(aggregator, "_check_can_go_on", end)


def a_state_that_another_aggregator_removed_fails_the_run(patch: pytest.MonkeyPatch) -> None:
    def read(self: Aggregator, space: Workspace, cursor: int) -> FakeState:
        return self._merging.load(self._world.store.get(space.folder.state(cursor)))

    patch.setattr(aggregator.Aggregator, "_read", read)


def metadata_is_written_before_the_files(patch: pytest.MonkeyPatch) -> None:
    finish = Aggregator._finish

    def announce_and_finish(self: Aggregator, space: Workspace, hold: Hold, plan: RunMetadata, kept: Kept) -> bool:
        status = "completed_with_errors" if kept.state.failed else "complete"
        space.folder.write_metadata(plan.model_copy(update={"status": status}))
        return finish(self, space, hold, plan, kept)

    patch.setattr(aggregator.Aggregator, "_finish", announce_and_finish)


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
        def put_prompts(self, chunk: int, data: bytes) -> None:
            self.prompts = data

        def put_partial(self, chunk: int, data: bytes) -> None:
            super().put_partial(chunk, data)
            if data.endswith(b"encoded"):
                super().put_prompts(chunk, self.prompts)

    patch.setattr(encoder, "Workspace", Hasty)


def what_was_computed_is_written_unasked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(encoder, "_of_use", lambda contribution, space, chunk, hold: True)


def a_success_is_counted_as_an_attempt(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(names, "chunk_attempts", lambda run_id, chunk: f"{names.counts(run_id)}any chunk")


def attempts_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    contribution = encoder._Attempt.contribution

    def uncounted(self: encoder._Attempt, data: bytes) -> encoder.Contribution | None:
        made = contribution(self, data)
        self.world.leases.forget(names.chunk_attempts(self.space.folder.run_id, self.chunk))
        return made

    patch.setattr(encoder._Attempt, "contribution", uncounted)


def ingest_never_holds_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ingest, "_wait_for_room", lambda space, world, hold, stopping: not hold.lost and space.active())


def a_failure_undoes_a_deletion(patch: pytest.MonkeyPatch) -> None:
    def stop(self: Workspace, status: StopReason, error: str | None = None) -> None:
        self._write("stopped.json", Stopped(status=status, error=error, at=now()))

    patch.setattr(Workspace, "stop", stop)


def the_watch_does_not_wait_for_who_is_still_at_work(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(watch.Done, "at_work", lambda self, run_id: False)


def the_watch_forgets_sources(patch: pytest.MonkeyPatch) -> None:
    send_again = watch.Watch._send_again

    def send_some(self: watch.Watch, message: Message, sent: watch.Sent) -> None:
        if message.task != "ingest":
            send_again(self, message, sent)

    patch.setattr(watch.Watch, "_send_again", send_some)


def the_watch_does_not_look_at_messages(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(watch.Done, "about", lambda self, message, lease: lease in self.held)


def an_example_as_strong_as_the_last_is_left_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FakeLimits, "reached_by", lambda self, example: example // examples.TIES < self.key)


def a_list_that_is_not_full_limits(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(examples, "last_key", lambda kept: kept[-1][0] // examples.TIES if kept else examples.NUMBERS)


MUTANTS: dict[str, Mutant] = {
    mutant.__name__: mutant
    for mutant in (
        chunks_are_removed_before_the_state_is_saved,
        chunks_are_removed_when_one_state_holds_them,
        a_damaged_state_is_the_end_of_its_run,
        metadata_is_written_before_the_files,
        a_chunk_is_encoded_again_although_it_is,
        the_partial_is_written_before_the_prompts,
        what_was_computed_is_written_unasked,
        a_success_is_counted_as_an_attempt,
        attempts_are_not_counted,
        ingest_never_holds_back,
        a_failure_undoes_a_deletion,
        the_watch_does_not_wait_for_who_is_still_at_work,
        the_watch_forgets_sources,
        the_watch_does_not_look_at_messages,
        an_example_as_strong_as_the_last_is_left_out,
        a_list_that_is_not_full_limits,
    )
}
