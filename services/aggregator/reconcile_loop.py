"""The reconcile loop: finds work that is missing and that nobody does, and requeues it.

Whatever a worker did not do (it was killed, Redis was wiped, the store was down, a message was lost) shows in the store
as a chunk without its partial, a source that is not read to its end, or partials that are not merged. Such work is
requeued if there is neither a lease nor a waiting message for it. The loop keeps nothing that matters in memory: a new
process finds the same in the store.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

from services.common import work_names
from services.common.dependency_interfaces import Dependencies
from services.common.run_workspace import Workspace
from services.common.tasks.messages import Message
from services.common.turn_of_weights import turn_of_weights
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.metadata import PUBLISHED
from sparse_autoencoder.runs.store import NotFoundError

SECOND_LOOK_S = 0.2  # a message that was just taken has its lease by then
LATE_S = 60.0  # workers that were cut off have written what they had by then


@dataclass(frozen=True)
class InProgress:
    """The work that somebody does or will do: leases that are held, and messages that wait."""

    held: set[str]
    waiting: set[Message]

    def covers(self, message: Message, lease: str) -> bool:
        """Whether somebody does the work of a message, which is done under `lease`, or will do it."""
        return lease in self.held or message in self.waiting

    def has_worker(self, run_id: str) -> bool:
        """Whether a worker holds a lease for any work on a run."""
        begins = work_names.encode_leases(run_id)
        return bool(self.held & {work_names.ingest_lease(run_id), work_names.aggregate_lease(run_id)}) or any(
            name.startswith(begins) for name in self.held
        )


@dataclass
class Requeued:
    """What one pass requeued."""

    messages: list[Message] = field(default_factory=list)
    lost: list[Message] = field(default_factory=list)  # those of them for which a lease was held in the pass before
    problems: list[str] = field(default_factory=list)  # a sentence for each run that could not be looked at


@dataclass
class _Ended:
    """A finished or deleted run, and when the loop looks at it next."""

    deleted: bool
    look_at: float
    swept: bool = False  # for the last time


class ReconcileLoop:
    """Compares the store with what is in progress, for all runs; call `run_once` every few seconds."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps
        self._held: set[str] = set()  # leases, in the pass before
        self._ended: dict[str, _Ended] = {}
        self._only_others: dict[str, float] = {}  # since when all encoders of a run are of another kind

    def run_once(self) -> Requeued:
        """One pass over all runs. What is wrong with one run is reported, and doesn't keep the loop from the others.

        UnavailableError if the store or Redis can't be used at all.
        """
        requeued = Requeued()
        in_progress = self._in_progress()
        for run_id in self._runs():
            try:
                self._reconcile(run_id, in_progress, requeued)
            except SaescopeError as error:
                requeued.problems.append(f"run {run_id} can't be reconciled: {error}")
        self._held = in_progress.held
        return requeued

    def _runs(self) -> Iterator[str]:
        """The runs that may need something; ended ones only now and then."""
        for run_id in self._deps.store.folders():
            ended = self._ended.get(run_id)
            if ended is None or self._deps.clock.now() >= ended.look_at:
                yield run_id

    def _in_progress(self) -> InProgress:
        # Leases first: a worker that gives a chunk back requeues the message before it releases the lease.
        held = self._deps.leases.held("")
        queue = self._deps.queue
        return InProgress(held, queue.waiting("ingest") | queue.waiting("encode") | queue.waiting("aggregate"))

    def _reconcile(self, run_id: str, in_progress: InProgress, requeued: Requeued) -> None:
        try:
            space = Workspace(self._deps.store, run_id)
        except NotFoundError:  # a folder that is no run
            self._ended[run_id] = _Ended(deleted=False, look_at=inf)
            return
        stopped = space.stopped()
        if stopped is not None:
            self._only_others.pop(run_id, None)
        if stopped is not None and stopped.status == "deleted":
            self._clean(space, in_progress, deleted=True)
        elif space.finished():
            self._clean(space, in_progress, deleted=False)
        elif stopped is None and space.active():
            self._ended.pop(run_id, None)  # it may be that failed chunks are tried again
            space.go_back()
            self._requeue_lost(space, in_progress, requeued)

    def _clean(self, space: Workspace, in_progress: InProgress, *, deleted: bool) -> None:
        """Remove what a finished or deleted run needs no longer: now, and once more when nobody can be at it."""
        run_id, now = space.folder.run_id, self._deps.clock.now()
        ended = self._ended.get(run_id)
        if ended is None or ended.deleted != deleted:
            self._remove(space, deleted=deleted)
            self._ended[run_id] = _Ended(deleted, now + LATE_S)
            return
        ended.look_at = now + LATE_S
        if ended.swept or in_progress.has_worker(run_id):
            return
        self._remove(space, deleted=deleted)
        ended.swept = True
        if deleted:
            space.go_on()
            del self._ended[run_id]

    def _remove(self, space: Workspace, *, deleted: bool) -> None:
        if deleted:
            space.delete_everything()
            return
        metadata = space.folder.read_metadata()
        if metadata.status in PUBLISHED:  # else it is none of the services' runs
            space.sweep(metadata)

    def _requeue_lost(self, space: Workspace, in_progress: InProgress, requeued: Requeued) -> None:
        run_id = space.folder.run_id
        ingest = Message(task="ingest", run_id=run_id)
        if space.ingested() is None and not in_progress.covers(ingest, work_names.ingest_lease(run_id)):
            self._requeue(ingest, requeued)
        lost = self._missing(space, in_progress)
        if lost:
            self._deps.clock.sleep(SECOND_LOOK_S)
            lost = [chunk for chunk in self._missing(space, self._in_progress()) if chunk in lost]
        for chunk in lost:
            message = Message(task="encode", run_id=run_id, chunk=chunk)
            if work_names.encode_lease(run_id, chunk) in self._held:
                requeued.lost.append(message)
            self._requeue(message, requeued)
        aggregate = Message(task="aggregate", run_id=run_id)
        if not in_progress.covers(aggregate, work_names.aggregate_lease(run_id)) and self._to_merge(space):
            self._requeue(aggregate, requeued)
        self._note_missing_workers(space, in_progress)

    def _note_missing_workers(self, space: Workspace, in_progress: InProgress) -> None:
        """Note which workers a run waits for; it fails if for long there are only encoders that can't work on it."""
        run_id, workers = space.folder.run_id, self._deps.workers
        if (
            space.ingested() is None
            and work_names.ingest_lease(run_id) not in in_progress.held
            and not workers.alive("ingest")
        ):
            self._deps.notes.note(run_id, "waiting for ingest, which reads the source: no such worker is running")
        begins = work_names.encode_leases(run_id)
        encoded = set(space.partials())
        if not set(self._to_encode(space)) - encoded or any(name.startswith(begins) for name in in_progress.held):
            self._only_others.pop(run_id, None)
            return
        alive, unfit = workers.alive("encoder"), workers.unfit(run_id)
        if not alive:
            self._deps.notes.note(run_id, "waiting for an encoder: none is running")
        whys = {unfit[worker].why for worker in alive if worker in unfit and unfit[worker].other_kind}
        if not alive or any(worker not in unfit or not unfit[worker].other_kind for worker in alive):
            self._only_others.pop(run_id, None)
            return
        now = self._deps.clock.now()
        since = self._only_others.setdefault(run_id, now)
        sentence = f"no encoder that is running can go on with this run: {'; '.join(sorted(whys))}"
        if now - since < self._deps.settings.other_kind_s:
            self._deps.notes.note(run_id, f"waiting for another encoder: {sentence}")
        else:
            space.stop("failed", f"for {self._deps.settings.other_kind_s:,.0f} seconds {sentence}")
            del self._only_others[run_id]  # whoever has the run go on has seen to another encoder

    def _missing(self, space: Workspace, in_progress: InProgress) -> list[int]:
        """The chunks that are not encoded, and that nobody encodes or will."""
        run_id = space.folder.run_id
        chunks = self._to_encode(
            space
        )  # after `in_progress` was read: a chunk's partial is there before its lease goes
        ready, cursor = set(space.partials()), space.cursor()
        return [
            chunk
            for chunk in chunks
            if chunk >= cursor
            and chunk not in ready
            and not in_progress.covers(
                Message(task="encode", run_id=run_id, chunk=chunk), work_names.encode_lease(run_id, chunk)
            )
        ]

    def _to_encode(self, space: Workspace) -> list[int]:
        """The chunks whose rows are in the store, and what stands for the files of the weights (turn_of_weights)."""
        turn = turn_of_weights(space)
        return [*space.chunks(), *([] if turn is None else [turn])]

    def _to_merge(self, space: Workspace) -> bool:
        """Whether there is a chunk to merge, or only publishing is left."""
        cursor, ingested = space.cursor(), space.ingested()
        if space.has_partial(cursor):
            return True
        return ingested is not None and cursor == ingested.num_chunks and turn_of_weights(space) is None

    def _requeue(self, message: Message, requeued: Requeued) -> None:
        self._deps.queue.send(message)
        requeued.messages.append(message)
