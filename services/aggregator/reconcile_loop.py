"""The watch: compares what the store lacks with what is being done about it, and has lost work done again.

Whatever a worker did not do (it was killed, Redis was wiped, the store was down, a message was lost) shows in the store
as a chunk without its partial, a source not read to its end, or partials that nobody merges; while there is neither a
lease nor a waiting message for it. The watch remembers nothing that matters: a new one finds the same in the store.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

from services.common import lease_names
from services.common.interfaces import World
from services.common.run_workspace import Workspace
from services.common.tasks.messages import Message
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.metadata import PUBLISHED
from sparse_autoencoder.runs.store import NotFoundError

SECOND_LOOK_S = 0.2  # a message that was just taken has its lease by then
LATE_S = 60.0  # workers that were cut off have written what they had by then


@dataclass(frozen=True)
class Done:
    """What is being done: leases that are held, and messages that wait."""

    held: set[str]
    waiting: set[Message]

    def about(self, message: Message, lease: str) -> bool:
        """Whether somebody does what the message asks for, or will."""
        return lease in self.held or message in self.waiting

    def at_work(self, run_id: str) -> bool:
        """Whether anybody works on a run."""
        begins = lease_names.encode_leases(run_id)
        return bool(self.held & {lease_names.ingest_lease(run_id), lease_names.aggregate_lease(run_id)}) or any(
            name.startswith(begins) for name in self.held
        )


@dataclass
class Sent:
    """What one look sent again."""

    messages: list[Message] = field(default_factory=list)
    lost: list[Message] = field(default_factory=list)  # those of them that a worker was at, and gave up or was lost
    problems: list[str] = field(default_factory=list)


@dataclass
class _Ended:
    """A finished or deleted run, and when it is to be looked at next."""

    deleted: bool
    look_at: float
    swept: bool = False  # for good


class Watch:
    """Looks at all runs, again and again."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._held: set[str] = set()  # at the last look
        self._ended: dict[str, _Ended] = {}
        self._only_others: dict[str, float] = {}  # since when a run has only encoders that can't work on it

    def look(self) -> Sent:
        """Look once; what is wrong with one run doesn't keep others from being looked at.

        UnavailableError if there is no looking at all.
        """
        sent = Sent()
        done = self._done()
        for run_id in self._runs():
            try:
                self._look_at(run_id, done, sent)
            except SaescopeError as error:
                sent.problems.append(f"run {run_id} can't be looked after: {error}")
        self._held = done.held
        return sent

    def _runs(self) -> Iterator[str]:
        """The runs that may need something."""
        for run_id in self._world.store.folders():
            ended = self._ended.get(run_id)
            if ended is None or self._world.clock.now() >= ended.look_at:
                yield run_id

    def _done(self) -> Done:
        # Leases first: a worker that gives a chunk back sends the message before it lets the lease go.
        held = self._world.leases.held("")
        queue = self._world.queue
        return Done(held, queue.waiting("ingest") | queue.waiting("encode") | queue.waiting("aggregate"))

    def _look_at(self, run_id: str, done: Done, sent: Sent) -> None:
        try:
            space = Workspace(self._world.store, run_id)
        except NotFoundError:  # a folder that is no run
            self._ended[run_id] = _Ended(deleted=False, look_at=inf)
            return
        stopped = space.stopped()
        if stopped is not None:
            self._only_others.pop(run_id, None)
        if stopped is not None and stopped.status == "deleted":
            self._clean(space, done, deleted=True)
        elif space.finished():
            self._clean(space, done, deleted=False)
        elif stopped is None and space.active():
            self._ended.pop(run_id, None)  # it may be that failed chunks are tried again
            space.go_back()
            self._send(space, done, sent)

    def _clean(self, space: Workspace, done: Done, *, deleted: bool) -> None:
        """Remove what a finished or deleted run needs no longer: now, and once more when nobody can be at it."""
        run_id, now = space.folder.run_id, self._world.clock.now()
        ended = self._ended.get(run_id)
        if ended is None or ended.deleted != deleted:
            self._remove(space, deleted=deleted)
            self._ended[run_id] = _Ended(deleted, now + LATE_S)
            return
        ended.look_at = now + LATE_S
        if ended.swept or done.at_work(run_id):
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

    def _send(self, space: Workspace, done: Done, sent: Sent) -> None:
        run_id = space.folder.run_id
        ingest = Message(task="ingest", run_id=run_id)
        if space.ingested() is None and not done.about(ingest, lease_names.ingest_lease(run_id)):
            self._send_again(ingest, sent)
        lost = self._missing(space, done)
        if lost:
            self._world.clock.sleep(SECOND_LOOK_S)
            lost = [chunk for chunk in self._missing(space, self._done()) if chunk in lost]
        for chunk in lost:
            message = Message(task="encode", run_id=run_id, chunk=chunk)
            if lease_names.encode_lease(run_id, chunk) in self._held:
                sent.lost.append(message)
            self._send_again(message, sent)
        aggregate = Message(task="aggregate", run_id=run_id)
        if not done.about(aggregate, lease_names.aggregate_lease(run_id)) and self._to_merge(space):
            self._send_again(aggregate, sent)
        self._say_who_is_missing(space, done)

    def _say_who_is_missing(self, space: Workspace, done: Done) -> None:
        """Note which workers a run waits for; it fails if for long there are only encoders that can't work on it."""
        run_id, workers = space.folder.run_id, self._world.workers
        if (
            space.ingested() is None
            and lease_names.ingest_lease(run_id) not in done.held
            and not workers.alive("ingest")
        ):
            self._world.notes.note(run_id, "waiting for ingest, which reads the source: no such worker is running")
        begins = lease_names.encode_leases(run_id)
        encoded = set(space.partials())
        if not set(space.chunks()) - encoded or any(name.startswith(begins) for name in done.held):
            self._only_others.pop(run_id, None)
            return
        alive, unfit = workers.alive("encoder"), workers.unfit(run_id)
        if not alive:
            self._world.notes.note(run_id, "waiting for an encoder: none is running")
        whys = {unfit[worker].why for worker in alive if worker in unfit and unfit[worker].other_kind}
        if not alive or any(worker not in unfit or not unfit[worker].other_kind for worker in alive):
            self._only_others.pop(run_id, None)
            return
        now = self._world.clock.now()
        since = self._only_others.setdefault(run_id, now)
        sentence = f"no encoder that is running can go on with this run: {'; '.join(sorted(whys))}"
        if now - since < self._world.limits.other_kind_s:
            self._world.notes.note(run_id, f"waiting for another encoder: {sentence}")
        else:
            space.stop("failed", f"for {self._world.limits.other_kind_s:,.0f} seconds {sentence}")
            del self._only_others[run_id]  # whoever has the run go on has seen to another encoder

    def _missing(self, space: Workspace, done: Done) -> list[int]:
        """The chunks that are not encoded, and that nobody encodes or will."""
        run_id = space.folder.run_id
        chunks = space.chunks()  # what is done was read before: a chunk's partial is there before its lease goes
        ready, cursor = set(space.partials()), space.cursor()
        return [
            chunk
            for chunk in chunks
            if chunk >= cursor
            and chunk not in ready
            and not done.about(
                Message(task="encode", run_id=run_id, chunk=chunk), lease_names.encode_lease(run_id, chunk)
            )
        ]

    def _to_merge(self, space: Workspace) -> bool:
        """Whether there is a chunk to merge, or only publishing is left."""
        cursor, ingested = space.cursor(), space.ingested()
        return space.has_partial(cursor) or (ingested is not None and cursor == ingested.num_chunks)

    def _send_again(self, message: Message, sent: Sent) -> None:
        self._world.queue.send(message)
        sent.messages.append(message)
