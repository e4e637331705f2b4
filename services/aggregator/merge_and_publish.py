"""Merge the partials of a run in chunk order, and publish the run when all are merged.

States are kept in memory between messages and saved every few seconds. Two aggregators at work on one run (the first
was frozen and lost its lease) do no harm: merging is deterministic, and the furthest saved state counts. State and
Merging are protocols because tests/simulation merges small fakes in place of summaries.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from cachetools import LRUCache

from services.aggregator.lease_guarded_store import LeaseGuardedStore
from services.common import work_names
from services.common.attempt_rule import OTHERS_FIRST_S, AttemptRule, Moved, Progress
from services.common.dependency_interfaces import Dependencies, Hold, StoppingError, UnavailableError
from services.common.run_json_files import Ingested, MergeProgress
from services.common.run_workspace import Workspace, now
from services.common.tasks.messages import Message
from services.common.turn_of_weights import turn_of_weights
from sparse_autoencoder.errors import DamagedError, OtherVersionError, SaescopeError
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.saved_states import remove_old_states, remove_states
from sparse_autoencoder.runs.store import NotFoundError
from sparse_autoencoder.utils.failure_rule import Failure

MERGES_PER_MESSAGE = 16  # then the message is requeued, so that other runs get a turn
STATES_KEPT = 4  # in memory
_DOING = "it merged or published the run"
SAVING_SHARE = 10  # saving may take one tenth of the time
ROOM_SHARE = 2  # save after merging half of max_waiting_chunks, because only a save lets ingest write more chunks


class State(Protocol):
    """What aggregating needs of a run's state (sparse_autoencoder.runs.run_state.RunState)."""

    @property
    def next_chunk(self) -> int:
        """The chunk to be merged next."""

    @property
    def failed_chunks(self) -> Sequence[object]:
        """The chunks that are missing, in order."""

    @property
    def rows_hash(self) -> str:
        """The running hash of all rows that were merged."""

    def to_bytes(self) -> bytes:
        """The state as it is saved."""


S = TypeVar("S", bound=State)


class Merging(Protocol[S]):
    """How states are made, merged and published (summary_merging.py)."""

    def check(self, plan: RunMetadata) -> None:
        """Raise SaescopeError if merging and publishing here would give other bytes than the run's encoders expect."""

    def empty(self, plan: RunMetadata) -> S:
        """The state of a run of which nothing is merged."""

    def load(self, data: bytes) -> S:
        """A saved state; DamagedError if it can't be read."""

    def merge(self, state: S, partial: bytes) -> S:
        """The state with the next chunk; SaescopeError if the partial is damaged, or another chunk's."""

    def progress(self, state: S, at: str) -> MergeProgress:
        """How much is merged, for the run's page; `at` is the time now."""

    def cutoffs(self, state: S) -> bytes:
        """The last keys of the state's full example lists, which examples of later chunks must reach."""

    def publish(self, folder: RunFolder, plan: RunMetadata, state: S) -> RunMetadata:
        """Write all published files but metadata.json, whose content is returned.

        SaescopeError if there is nothing to publish.
        """


@dataclass(frozen=True)
class Merged:
    """What one message has brought about."""

    next_chunk: int
    chunk_seconds: tuple[float, ...]  # for each chunk that was merged; the last one is next_chunk - 1
    save_seconds: float  # of the last save
    seconds: float  # of everything
    finished: bool
    damaged: tuple[str, ...] = ()  # what was wrong with saved states that had to be dropped


@dataclass
class _Kept(Generic[S]):
    """A run's state in memory, and when it was saved last."""

    state: S
    retries: int  # how often the run's failed chunks had been retried
    saved: int | None  # next_chunk of the state that was saved last; None if none was
    saved_at: float
    save_seconds: float = 0.0
    damaged: tuple[str, ...] = ()  # since the last message


class Aggregator(Generic[S]):
    """Merges runs, one message at a time."""

    def __init__(self, deps: Dependencies, merging: Merging[S], rule: AttemptRule) -> None:
        self._deps = deps
        self._merging = merging
        self._rule = rule
        self._kept: LRUCache[str, _Kept[S]] = LRUCache(STATES_KEPT)

    def aggregate(self, run_id: str) -> Merged | None:
        """Merge the partials that are there, and publish if that was all; None if there was nothing to do.

        Does nothing if another aggregator holds the run's lease.
        """
        space = Workspace(self._deps.store, run_id)
        merged = None
        if self._rule.defers_to_others(run_id, work_names.AGGREGATE, at_most_s=OTHERS_FIRST_S):
            return None  # the reconcile loop requeues it, to whoever takes it first
        with self._deps.leases.hold(work_names.aggregate_lease(run_id)) as hold:
            if hold is None:
                return None
            if not space.active():
                self._kept.pop(run_id, None)
                return None
            if self._rule.fail_run_if_given_up(space, hold, work_names.AGGREGATE, None, _DOING):
                return None
            merged = self._try(space, hold)
        # The message for a partial that came just before the release found the lease held, and was dropped.
        if merged is not None and not merged.finished and space.has_partial(merged.next_chunk):
            self._deps.queue.send(Message(task="aggregate", run_id=run_id))
        return merged

    def _try(self, space: Workspace, hold: Hold) -> Merged | None:
        """One attempt; None if it failed, or there was nothing to do."""
        run_id = space.folder.run_id
        try:
            result = self._rule.attempt(
                run_id,
                work_names.AGGREGATE,
                lambda progress: self._merge_and_publish(space, hold, progress),
                self._deps.settings.patience_s,
            )
        except StoppingError:
            with suppress(UnavailableError):  # then the reconcile loop does
                self._deps.queue.send(Message(task="aggregate", run_id=run_id))
            return None
        if isinstance(result, Failure):
            self._kept.pop(run_id, None)  # go on from the saved state
            self._rule.fail_run_if_given_up(space, hold, work_names.AGGREGATE, result, _DOING)
            return None
        return result

    def _merge_and_publish(self, space: Workspace, hold: Hold, progress: Progress) -> Merged | None:
        try:
            plan = space.folder.read_metadata()
        except NotFoundError:  # no chunk was encoded yet
            return None
        begin = self._deps.clock.now()
        self._merging.check(plan)
        kept = self._load(space, plan)
        chunk_seconds: list[float] = []
        while len(chunk_seconds) < MERGES_PER_MESSAGE and not hold.lost:
            merging_since = self._deps.clock.now()
            progress.moved()
            if not self._merge_next(space, kept):
                break
            chunk_seconds.append(self._deps.clock.now() - merging_since)
            if not hold.lost and self._due(kept):
                self._save(space, kept)
                progress.advanced()
        finished = False
        if not hold.lost:  # else another aggregator does it
            if self._due(kept):
                self._save(space, kept)
                progress.advanced()
            if chunk_seconds:
                space.write_progress(self._merging.progress(kept.state, now()))
            ingested = space.ingested()
            if ingested is not None and kept.state.next_chunk == ingested.num_chunks:
                _check_rows(ingested, kept.state)
                # else the encoder that makes the files of the weights says when they are there
                if turn_of_weights(space, plan.options) is None:
                    finished = self._finish(space, hold, plan, kept, progress.moved)
        seconds = self._deps.clock.now() - begin
        damaged, kept.damaged = kept.damaged, ()
        return Merged(kept.state.next_chunk, tuple(chunk_seconds), kept.save_seconds, seconds, finished, damaged)

    def _load(self, space: Workspace, plan: RunMetadata) -> _Kept[S]:
        """The state to go on with: the one in memory, unless another aggregator saved a further one or finished."""
        run_id = space.folder.run_id
        saved = space.saved_cursor()
        kept = self._kept.get(run_id)
        if kept is None or kept.retries != plan.retries or (saved is not None and saved > kept.state.next_chunk):
            kept = self._kept[run_id] = self._furthest(space, plan)
        return kept

    def _furthest(self, space: Workspace, plan: RunMetadata) -> _Kept[S]:
        """The furthest saved state that can be read. Damaged ones are removed; what they held is merged again."""
        state, saved, damaged = self._merging.empty(plan), None, []
        for cursor in reversed(space.saved_cursors()):
            try:
                state, saved = self._read(space, cursor), cursor
                break
            except DamagedError as error:
                damaged.append(str(error))
        if damaged:
            _check_can_go_on(space, saved or 0, damaged)
            remove_states(space.folder, after=saved or 0)
            space.forget_kept(after=saved or 0)
        return _Kept(state, plan.retries, saved, self._deps.clock.now(), damaged=tuple(damaged))

    def _read(self, space: Workspace, cursor: int) -> S:
        key = space.folder.state(cursor)
        try:
            state = self._merging.load(space.saved_state(cursor))
        except NotFoundError as error:  # no failure: a state that is further was saved
            raise UnavailableError(f"{error}; another aggregator is at the run") from error
        except OtherVersionError as error:
            raise SaescopeError(
                f"run {space.folder.run_id} can't go on, {key} can't be used, {error}: start a new run"
            ) from error
        except DamagedError as error:
            raise DamagedError(f"{key} can't be used, {error}") from error
        if state.next_chunk != cursor:
            raise DamagedError(f"{key} can't be used, it holds the state of chunk {state.next_chunk}")
        return state

    def _merge_next(self, space: Workspace, kept: _Kept[S]) -> bool:
        """Merge the next chunk, if it is there."""
        chunk, run_id = kept.state.next_chunk, space.folder.run_id
        try:
            partial = space.partial(chunk)
        except NotFoundError:
            return False
        try:
            merged = self._merging.merge(kept.state, partial)
        except SaescopeError:
            # Encode the chunk again, a bounded number of times; the attempts at encoding it that succeeded don't count.
            # Without the cutoffs, which may come from an aggregator for which other chunks had failed.
            space.delete_cutoffs()
            space.delete_partial(chunk)
            self._deps.attempts.forget(run_id, work_names.encoding(chunk))
            damaged = self._deps.attempts.begin(run_id, work_names.merging(chunk), self._rule.worker)
            if damaged.total >= self._deps.settings.chunk_attempts:
                raise
            self._deps.queue.send(Message(task="encode", run_id=run_id, chunk=chunk))
            return False
        if merged.failed_chunks and not kept.state.failed_chunks:  # a retry of failed chunks goes on from here
            space.keep_before_failures(chunk, kept.state.to_bytes())
        kept.state = merged
        return True

    def _due(self, kept: _Kept[S]) -> bool:
        """Whether the state should be saved now."""
        if kept.state.next_chunk == (kept.saved or 0):
            return False
        if kept.saved is None:  # so that the live view has something to show
            return True
        if kept.state.next_chunk - kept.saved >= max(1, self._deps.settings.max_waiting_chunks // ROOM_SHARE):
            return True
        pause = max(self._deps.settings.save_every_s, SAVING_SHARE * kept.save_seconds)
        return self._deps.clock.now() - kept.saved_at >= pause

    def _save(self, space: Workspace, kept: _Kept[S]) -> None:
        """Save the state, and only then remove what it and the one before it hold."""
        begin = self._deps.clock.now()
        cursor = kept.state.next_chunk
        self._deps.store.put(space.folder.state(cursor), kept.state.to_bytes())
        space.put_cutoffs(self._merging.cutoffs(kept.state))
        kept.saved = cursor
        space.remove_merged(remove_old_states(space.folder))
        kept.saved_at = self._deps.clock.now()
        kept.save_seconds = kept.saved_at - begin

    def _finish(self, space: Workspace, hold: Hold, plan: RunMetadata, kept: _Kept[S], moved: Moved) -> bool:
        """Publish the run, write metadata.json, then clean up; False if another aggregator is to do that."""
        run_id = space.folder.run_id
        if kept.saved != kept.state.next_chunk:  # publishing may take long, and merging is not to be lost by it
            self._save(space, kept)
        folder = RunFolder(LeaseGuardedStore(self._deps.store, hold, moved), run_id)
        metadata = self._merging.publish(folder, plan, kept.state)
        if hold.lost or not space.active():
            return False
        space.folder.write_metadata(metadata)
        space.sweep(metadata)
        self._kept.pop(run_id, None)
        self._deps.attempts.forget(run_id)
        return True


def _check_rows(ingested: Ingested, state: State) -> None:
    """Raise SaescopeError unless the rows that were encoded are those that ingest read."""
    if state.rows_hash != ingested.rows_hash:
        raise SaescopeError(
            "the source changed while it was read: rows were encoded that are not in it any more; start a new run"
        )


def _check_can_go_on(space: Workspace, chunk: int, damaged: Sequence[str]) -> None:
    """Raise SaescopeError if the chunks that damaged states held, from `chunk` on, can't be merged again."""
    if not space.has_chunk(chunk):
        raise SaescopeError(
            f"run {space.folder.run_id} can't go on, its saved states are damaged: start a new run "
            f"({'; '.join(damaged)})"
        )
