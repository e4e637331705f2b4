"""Encoding chunks: rows out of the store, what they contribute into it, and a word to the aggregator.

A message says that there is work; which waiting chunk is encoded next is decided here, so that runs take turns. The
result has the chunk's name, and what merging makes of it depends on the chunk alone, so that encoding one twice changes
nothing. (Its bytes also depend on how far merging was: examples that can't be chosen any more are left out.) A chunk
that fails for good contributes the record that it is missing. This file knows no models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

from services.common import work_names
from services.common.attempt_rule import AttemptRule, Moved, why_given_up
from services.common.interfaces import Dependencies, Hold, StoppingError, UnavailableError, Unfit
from services.common.run_records import ReadingProgress
from services.common.run_workspace import Workspace
from services.common.tasks.messages import Message
from services.encoder.fair_turns import Turns
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.options import RunOptions
from sparse_autoencoder.runs.store import NotFoundError
from sparse_autoencoder.utils.failures import Failure, attempt

PATIENCE_LOADING = 6  # models may have to be downloaded, which may take so many times as long as other work
Loaded = TypeVar("Loaded")
PASS_ON_S = 0.5  # before a message is looked at again that this worker can do nothing about


@dataclass(frozen=True)
class ChunkOutput:
    """What becomes of a chunk, as it goes into the store."""

    partial: bytes
    prompts: bytes | None  # None if it failed
    num_rows: int = 0
    num_tokens: int = 0
    seconds: Mapping[str, float] | None = None  # by stage
    error: str | None = None


class Computer(Protocol):
    """Models, and what they make of chunks. What it raises, but for UnavailableError, is its own failure."""

    def plan(self, run_id: str, options: RunOptions, reading: ReadingProgress, at: str) -> RunMetadata:
        """Load a new run's models; its metadata."""

    def vocabulary(self, plan: RunMetadata) -> list[str]:
        """Each token id's text."""

    def unfit(self, plan: RunMetadata) -> str | None:
        """Why this process can't encode chunks of a run whatever they are, as its processor is another; else None."""

    def load_models(self, plan: RunMetadata) -> None:
        """Load a run's models, if they aren't."""

    def encode(
        self, plan: RunMetadata, chunk: int, data: bytes, limits: Callable[[], bytes | None], moved: Moved
    ) -> ChunkOutput:
        """Encode a chunk; `limits` reads what its examples must reach (best when they are there), or None.

        `moved` is called after each batch; what it raises is raised on.
        """

    def failed(self, plan: RunMetadata, chunk: int, data: bytes, error: str) -> ChunkOutput:
        """The record that a chunk is missing."""


@dataclass(frozen=True)
class Encoded:
    """What came of a message."""

    message: Message  # of the chunk that was worked on, which may be another than the one that was taken
    output: ChunkOutput | None = None  # what was written, if it was
    start_fresh: str | None = None  # why this process had better end and come back, if it had


class ChunkEncoder:
    """An encoder process's work, one message at a time."""

    def __init__(self, deps: Dependencies, computer: Computer, rule: AttemptRule) -> None:
        self._deps = deps
        self._computer = computer
        self._rule = rule
        self._turns = Turns()
        self._unfit: dict[str, str] = {}  # runs for which this process is of another kind, and why
        self._loaded: set[str] = set()  # runs whose models could be loaded here
        self._slowest_s: dict[str, float] = {}  # the run's slowest chunk here
        self._failed: tuple[str, str] | None = None  # what failed last, if nothing has worked since

    def work(self, message: Message) -> Encoded | None:
        """Encode the chunk whose turn it is, as there is a message; None if there is nothing to be done.

        The message's own chunk waits on, in a message that is sent again, if it is another run's turn.
        """
        passed_over: set[Message] = set()
        given_back = False
        while chosen := self._choose(message, passed_over):
            if chosen != message and not given_back:
                self._send_back(message)
                given_back = True
            encoded = self._encode(chosen)
            if encoded is not None:
                return encoded
            passed_over.add(chosen)
        if not given_back and message not in passed_over and self._send_back(message):
            self._deps.clock.sleep(PASS_ON_S)  # others are to do it, or those that are able
        return None

    # -- which chunk -----------------------------------------------------------------------------------------------

    def _choose(self, message: Message, passed_over: set[Message]) -> Message | None:
        """The waiting chunk that this worker should encode now; None if it can do none of them."""
        held = self._deps.leases.held(work_names.ENCODE_LEASES)
        waiting = {
            one
            for one in self._deps.queue.waiting("encode") | {message}
            if one not in passed_over and work_names.encode_lease(one.run_id, one.chunk or 0) not in held
        }
        for run_id in self._turns.order(one.run_id for one in waiting):
            if run_id in self._unfit:
                self._say_unfit(run_id, Unfit(self._unfit[run_id], other_kind=True))
                continue
            for chunk in sorted(one.chunk or 0 for one in waiting if one.run_id == run_id):
                if not self._defers_to_others(run_id, chunk):
                    return Message(task="encode", run_id=run_id, chunk=chunk)
        return None

    def _defers_to_others(self, run_id: str, chunk: int) -> bool:
        """Whether this worker has failed at a chunk, or to load the models for it, that others should try first."""
        whats = [work_names.encoding(chunk), *([] if run_id in self._loaded else [work_names.loading(chunk)])]
        return self._rule.defers_to_others(run_id, *whats)

    def _again(self, message: Message) -> None:
        """Have a chunk tried again: by the message that waits for it, if it isn't the one that was taken."""
        if message not in self._deps.queue.waiting("encode"):
            self._deps.queue.send(message)

    def _send_back(self, message: Message) -> bool:
        """Let a message wait on that was taken, if there is still something to be done about it; whether there is."""
        lease = work_names.encode_lease(message.run_id, message.chunk or 0)
        space = Workspace(self._deps.store, message.run_id)
        if self._deps.leases.held(lease) or not space.active() or space.has_partial(message.chunk or 0):
            return False
        self._again(message)
        return True

    # -- one chunk -------------------------------------------------------------------------------------------------

    def _encode(self, message: Message) -> Encoded | None:
        """Encode a chunk, if that is still to be done and nobody else does it; else None."""
        run_id, chunk = message.run_id, message.chunk or 0
        space = Workspace(self._deps.store, run_id)
        with self._deps.leases.hold(work_names.encode_lease(run_id, chunk)) as hold:
            if hold is None or not space.active():
                return None
            encoded = None
            if not space.has_partial(chunk):
                try:
                    data = space.chunk(chunk)
                except NotFoundError:  # merged already
                    return None
                self._turns.took(run_id)
                try:
                    encoded = self._try(space, message, data, hold)
                except StoppingError:
                    with suppress(UnavailableError):  # then the reconcile loop does
                        self._again(message)
                    return Encoded(message)
                except UnavailableError as error:  # maybe only here, and then others are to do it
                    with suppress(UnavailableError):
                        self._say_unfit(run_id, Unfit(str(error), other_kind=False))
                    raise
                if encoded.output is None:
                    return encoded
        aggregate = Message(task="aggregate", run_id=run_id)
        # Of a chunk that was encoded before, the word may have got lost.
        if encoded is not None or aggregate not in self._deps.queue.waiting("aggregate"):
            self._deps.queue.send(aggregate)
        return encoded

    def _try(self, space: Workspace, message: Message, data: bytes, hold: Hold) -> Encoded:
        """One attempt at a chunk, whatever comes of it."""
        run_id, chunk = message.run_id, message.chunk or 0
        plan = self._plan(space, message)
        if not isinstance(plan, RunMetadata):
            return plan
        if (why := self._computer.unfit(plan)) is not None:
            self._unfit[run_id] = why
            self._say_unfit(run_id, Unfit(why, other_kind=True))
            self._again(message)
            return Encoded(message)
        if run_id not in self._loaded:
            loaded = self._load(space, message, lambda: self._load_models(space, plan))
            if isinstance(loaded, Encoded):
                return loaded
            self._loaded.add(run_id)
        what = work_names.encoding(chunk)
        if (tried := self._rule.given_up(run_id, what)) is not None:  # those who tried it did not come back
            return self._missing(space, message, plan, data, hold, why_given_up(tried, "it encoded this chunk"))
        begin = self._deps.clock.now()
        result = self._rule.attempt(
            run_id,
            what,
            lambda progress: self._compute(space, chunk, plan, data, hold, progress.moved),
            self._deps.limits.patience_s,
            self._slowest_s.get(run_id, 0.0),
        )
        if not isinstance(result, Failure):
            self._failed = None
            self._slowest_s[run_id] = max(self._slowest_s.get(run_id, 0.0), self._deps.clock.now() - begin)
            return Encoded(message, result)
        if (tried := self._rule.given_up(run_id, what)) is not None:
            encoded = self._missing(space, message, plan, data, hold, result.reason)
            return Encoded(message, encoded.output, self._why_fresh(result, run_id, what, again=False))
        self._again(message)
        return Encoded(message, None, self._why_fresh(result, run_id, what, again=True))

    def _compute(
        self, space: Workspace, chunk: int, plan: RunMetadata, data: bytes, hold: Hold, moved: Moved
    ) -> ChunkOutput | None:
        """Encode a chunk and write what it contributes; None if that is of no use any more."""
        moved()
        output = self._computer.encode(plan, chunk, data, space.cutoffs, moved)
        return self._write(space, chunk, output, hold)

    def _write(self, space: Workspace, chunk: int, output: ChunkOutput, hold: Hold) -> ChunkOutput | None:
        if not _of_use(output, space, chunk, hold):
            return None
        # In this order: who sees the partial may count on the prompts file.
        if output.prompts is not None:
            space.put_prompts(chunk, output.prompts)
        space.put_partial(chunk, output.partial)
        return output

    def _missing(
        self, space: Workspace, message: Message, plan: RunMetadata, data: bytes, hold: Hold, reason: str
    ) -> Encoded:
        """Write that a chunk is missing; if not even that can be made of its rows, the run has failed."""
        chunk = message.chunk or 0
        record = attempt(lambda: self._computer.failed(plan, chunk, data, reason), passing=(UnavailableError,))
        if isinstance(record, Failure):
            if space.active():
                space.stop("failed", record.reason)
            return Encoded(message)
        return Encoded(message, self._write(space, chunk, record, hold))

    # -- the plan --------------------------------------------------------------------------------------------------

    def _plan(self, space: Workspace, message: Message) -> RunMetadata | Encoded:
        """The run's plan, made by whoever encodes its first chunk; if it can't be made, what comes of the message."""
        with suppress(NotFoundError):
            return space.folder.read_metadata()
        return self._load(space, message, lambda: self._make_plan(space))

    def _load(self, space: Workspace, message: Message, load: Callable[[], Loaded]) -> Loaded | Encoded:
        """One attempt at loading a run's models; if there is none or it fails, what comes of the message."""
        run_id, what = space.folder.run_id, work_names.loading(message.chunk or 0)
        failure: Failure | None = None
        if self._rule.given_up(run_id, what) is None:
            floor_s = PATIENCE_LOADING * self._deps.limits.patience_s
            loaded = self._rule.attempt(run_id, what, lambda _progress: load(), floor_s)
            if not isinstance(loaded, Failure):
                return loaded
            failure = loaded
            self._say_unfit(run_id, Unfit(failure.reason, other_kind=False))
        if not space.active():  # its files went away under our hands
            return Encoded(message)
        if (tried := self._rule.given_up(run_id, what)) is not None:
            space.stop("failed", failure.reason if failure else why_given_up(tried, "it loaded the models"))
            return Encoded(message)
        self._again(message)
        # A sentence about what can't be loaded is none about this process.
        if failure is None or isinstance(failure.error, SaescopeError):
            return Encoded(message)
        why = self._why_fresh(failure, run_id, what, again=True)
        return Encoded(message, None, why)

    def _make_plan(self, space: Workspace) -> RunMetadata:
        folder = space.folder
        request, reading = space.request(), space.reading()
        if reading is None:
            raise NotFoundError(f"run {folder.run_id} has a chunk, and its source is not described")
        plan = self._computer.plan(folder.run_id, request.options, reading, request.created_at)
        if not space.wanted():
            raise NotFoundError(f"run {folder.run_id} went away while its models were loaded")
        folder.create_plan(plan.model_copy(update={"retries": space.retry()}))
        return folder.read_metadata()  # another encoder's, if that was quicker: it may be of another kind

    def _load_models(self, space: Workspace, plan: RunMetadata) -> None:
        """Load what a run was begun with; whoever is the first writes its vocabulary."""
        self._computer.load_models(plan)
        if not space.has_vocabulary() and space.wanted():  # loading may have taken long
            space.folder.write_vocabulary(self._computer.vocabulary(plan))

    # -- this process ----------------------------------------------------------------------------------------------

    def _why_fresh(self, failure: Failure, run_id: str, what: str, *, again: bool) -> str | None:
        """Why this process had better end and come back after a failure, if it had."""
        before, self._failed = self._failed, (run_id, what)
        if failure.breaks_process:
            return "after this error nothing that this process computes can be trusted"
        if before is not None and before != (run_id, what):
            return "two different chunks failed one after the other"
        if again and self._rule.able_workers(run_id) == {self._rule.worker}:
            return "the next attempt is this worker's too, as no other is alive"
        return None

    def _say_unfit(self, run_id: str, unfit: Unfit) -> None:
        self._deps.workers.say_unfit(run_id, self._rule.worker, unfit)


def _of_use(output: ChunkOutput, space: Workspace, chunk: int, hold: Hold) -> bool:
    """Whether a output is to be written: computing it may have taken long."""
    if output.error is not None and (hold.lost or space.has_partial(chunk)):
        return False  # another attempt goes on, or was better
    return space.wanted()
