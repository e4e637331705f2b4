"""Encode chunks: read a chunk's rows from the store, write its partial, and send a message to the aggregator.

A message says that there is work; which waiting chunk is encoded next is decided here, so that runs take turns.
Encoding is idempotent: a partial is named by its chunk, and merging it gives the same state however often the chunk was
encoded. (Its bytes also depend on how far merging was: examples beyond the cutoffs are left out.) The partial of a
chunk that failed for good records that its rows are missing.
"""

from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import BinaryIO, Protocol, TypeVar

from services.common import work_names
from services.common.attempt_rule import AttemptRule, Moved, why_given_up
from services.common.dependency_interfaces import Dependencies, Hold, StoppingError, UnavailableError, Unfit
from services.common.run_json_files import ReadingProgress
from services.common.run_workspace import Workspace
from services.common.tasks.messages import Message
from services.common.turn_of_weights import create_files_of_weights, turn_of_weights
from services.encoder.turns_between_runs import Turns
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import NotFoundError, Store
from sparse_autoencoder.utils.failure_rule import Failure, attempt

PATIENCE_LOADING = 6  # loading models may take this many times `patience_s`, as it may download them
Loaded = TypeVar("Loaded")
PASS_ON_S = 0.5  # pause after requeueing a message that this worker can't work on


@dataclass(frozen=True)
class ChunkOutput:
    """What encoding a chunk gives, as it is written to the store."""

    partial: bytes
    prompts: bytes | None  # the prompts file; None if the chunk failed
    token_table: bytes | None = None  # likewise
    token_samples: bytes | None = None  # likewise
    num_rows: int = 0
    num_tokens: int = 0
    seconds: Mapping[str, float] | None = None  # by stage
    error: str | None = None
    firings: bytes | None = None  # the firings file, if it was asked for
    activations: BinaryIO | None = None  # likewise; whoever writes it closes it
    of_weights: Mapping[str, bytes] | None = None  # instead of all this: the files that follow from the weights


class Computer(Protocol):
    """What computes with models: ModelComputer, or a fake in tests/simulation.

    Whatever it raises, except UnavailableError, is a failed attempt.
    """

    def plan(self, run_id: str, options: RunOptions, reading: ReadingProgress, at: str) -> RunMetadata:
        """Load a new run's models; returns the run's metadata, its plan."""

    def vocabulary(self, plan: RunMetadata) -> list[bytes]:
        """Each token id's text."""

    def unfit(self, plan: RunMetadata) -> str | None:
        """Why this process can't encode any chunk of a run: its processor or versions differ; None if it can."""

    def load_models(self, plan: RunMetadata) -> None:
        """Load a run's models, unless they are loaded."""

    def encode(
        self, plan: RunMetadata, chunk: int, data: bytes, cutoffs: Callable[[], bytes | None], moved: Moved
    ) -> ChunkOutput:
        """Encode a chunk; `moved` is called after each batch, and what it raises is raised on.

        `cutoffs` reads the newest example cutoffs, or None; call it late, as later ones leave out more examples.
        """

    def failed(self, plan: RunMetadata, chunk: int, data: bytes, error: str) -> ChunkOutput:
        """The partial that records that a chunk's rows are missing, because of `error`."""

    def of_weights(self, plan: RunMetadata, store: Store, moved: Moved) -> Mapping[str, bytes]:
        """The run's files that follow from the weights, by name; `store` may keep them for further runs."""

    def without_weights(self, plan: RunMetadata, error: str) -> Mapping[str, bytes]:
        """In place of these, files that say why there are none."""


@dataclass(frozen=True)
class Encoded:
    """What a worker has done about a message."""

    message: Message  # of the chunk that was worked on, which may be another than the message's
    output: ChunkOutput | None = None  # what was written; None if nothing was
    start_fresh: str | None = None  # why this process should restart; None if it needn't


class ChunkEncoder:
    """The work of an encoder process, one message at a time."""

    def __init__(self, deps: Dependencies, computer: Computer, rule: AttemptRule) -> None:
        self._deps = deps
        self._computer = computer
        self._rule = rule
        self._turns = Turns()
        self._unfit: dict[str, str] = {}  # by run: why this process can never encode its chunks
        self._loaded: set[str] = set()  # runs whose models were loaded by this process
        self._slowest_s: dict[str, float] = {}  # by run: the time that its slowest chunk took here
        self._failed: tuple[str, str] | None = None  # run and work that failed last, if nothing has succeeded since

    def work(self, message: Message) -> Encoded | None:
        """Encode the chunk whose turn it is; None if there is nothing to do.

        If that is another chunk than the message's, the message is requeued.
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
            self._deps.clock.sleep(PASS_ON_S)  # other workers are to take it
        return None

    # -- which chunk -----------------------------------------------------------------------------------------------

    def _choose(self, message: Message, passed_over: set[Message]) -> Message | None:
        """The waiting chunk that this worker should encode now; None if it can encode none of them."""
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
        """Whether this worker has failed to encode a chunk, or to load its models, and others should try it first."""
        loading = [] if run_id in self._loaded else [work_names.loading(chunk)]
        return self._rule.defers_to_others(run_id, work_names.encoding(chunk), *loading)

    def _again(self, message: Message) -> None:
        """Requeue a chunk, unless a message for it waits already."""
        if message not in self._deps.queue.waiting("encode"):
            self._deps.queue.send(message)

    def _send_back(self, message: Message) -> bool:
        """Requeue a message that was taken, if its chunk is still to be encoded; returns whether it is."""
        lease = work_names.encode_lease(message.run_id, message.chunk or 0)
        space = Workspace(self._deps.store, message.run_id)
        if self._deps.leases.held(lease) or not space.active() or space.has_partial(message.chunk or 0):
            return False
        self._again(message)
        return True

    # -- one chunk -------------------------------------------------------------------------------------------------

    def _encode(self, message: Message) -> Encoded | None:
        """Encode a chunk; None if that isn't to be done any more, or another worker does it."""
        run_id, chunk = message.run_id, message.chunk or 0
        space = Workspace(self._deps.store, run_id)
        with self._deps.leases.hold(work_names.encode_lease(run_id, chunk)) as hold:
            if hold is None or not space.active():
                return None
            encoded = None
            if not space.has_partial(chunk):
                data: bytes | None = None
                try:
                    data = space.chunk(chunk)
                except NotFoundError:
                    if chunk != turn_of_weights(space):  # merged already
                        return None
                self._turns.took(run_id)
                try:
                    encoded = self._try(space, message, data, hold)
                except StoppingError:
                    with suppress(UnavailableError):  # then the reconcile loop does
                        self._again(message)
                    return Encoded(message)
                except UnavailableError as error:  # the server may be away for this worker only: let others try
                    with suppress(UnavailableError):
                        self._say_unfit(run_id, Unfit(str(error), other_kind=False))
                    raise
                if encoded.output is None:
                    return encoded
        aggregate = Message(task="aggregate", run_id=run_id)
        # If the chunk had been encoded before, the message to the aggregator may have got lost.
        if encoded is not None or aggregate not in self._deps.queue.waiting("aggregate"):
            self._deps.queue.send(aggregate)
        return encoded

    def _try(self, space: Workspace, message: Message, data: bytes | None, hold: Hold) -> Encoded:
        """One attempt at a chunk; without its rows, at the files that follow from the weights."""
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
        if (tried := self._rule.given_up(run_id, what)) is not None:  # by killing its workers
            return self._missing(space, message, plan, data, hold, why_given_up(tried, "it encoded this chunk"))
        begin = self._deps.clock.now()
        result = self._rule.attempt(
            run_id,
            what,
            lambda progress: self._compute(space, chunk, plan, data, hold, progress.moved),
            self._deps.settings.patience_s,
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
        self, space: Workspace, chunk: int, plan: RunMetadata, data: bytes | None, hold: Hold, moved: Moved
    ) -> ChunkOutput | None:
        """Encode a chunk and write its partial; None if that is of no use any more."""
        moved()
        if data is None:
            output = ChunkOutput(b"", None, of_weights=self._computer.of_weights(plan, self._deps.store, moved))
        else:
            output = self._computer.encode(plan, chunk, data, space.cutoffs, moved)
        return self._write(space, chunk, output, hold)

    def _write(self, space: Workspace, chunk: int, output: ChunkOutput, hold: Hold) -> ChunkOutput | None:
        if not _of_use(output, space, chunk, hold):
            return None
        if output.of_weights is not None:
            create_files_of_weights(space, output.of_weights)
            return output
        # In this order: whoever sees the partial relies on the other files.
        if output.prompts is not None:
            space.put_prompts(chunk, output.prompts)
        with output.activations or nullcontext() as activations:
            space.put_about_tokens(chunk, output.token_table, output.token_samples, output.firings, activations)
        space.put_partial(chunk, output.partial)
        return output

    def _missing(
        self, space: Workspace, message: Message, plan: RunMetadata, data: bytes | None, hold: Hold, reason: str
    ) -> Encoded:
        """Write the partial of a chunk that failed for good; if not even that can be made, the run fails."""
        chunk = message.chunk or 0
        record = attempt(lambda: self._record(plan, chunk, data, reason), passing=(UnavailableError,))
        if isinstance(record, Failure):
            if space.active():
                space.stop("failed", record.reason)
            return Encoded(message)
        return Encoded(message, self._write(space, chunk, record, hold))

    def _record(self, plan: RunMetadata, chunk: int, data: bytes | None, reason: str) -> ChunkOutput:
        if data is not None:
            return self._computer.failed(plan, chunk, data, reason)
        return ChunkOutput(b"", None, error=reason, of_weights=self._computer.without_weights(plan, reason))

    # -- the plan --------------------------------------------------------------------------------------------------

    def _plan(self, space: Workspace, message: Message) -> RunMetadata | Encoded:
        """The run's plan, which the encoder of its first chunk makes; Encoded if it can't be made now."""
        with suppress(NotFoundError):
            return space.folder.read_metadata()
        return self._load(space, message, lambda: self._make_plan(space))

    def _load(self, space: Workspace, message: Message, load: Callable[[], Loaded]) -> Loaded | Encoded:
        """One attempt at loading a run's models; Encoded if it fails, or if loading has failed for good before."""
        run_id, what = space.folder.run_id, work_names.loading(message.chunk or 0)
        failure: Failure | None = None
        if self._rule.given_up(run_id, what) is None:
            floor_s = PATIENCE_LOADING * self._deps.settings.patience_s
            loaded = self._rule.attempt(run_id, what, lambda _progress: load(), floor_s)
            if not isinstance(loaded, Failure):
                return loaded
            failure = loaded
            self._say_unfit(run_id, Unfit(failure.reason, other_kind=False))
        if not space.active():  # its files were removed meanwhile
            return Encoded(message)
        if (tried := self._rule.given_up(run_id, what)) is not None:
            space.stop("failed", failure.reason if failure else why_given_up(tried, "it loaded the models"))
            return Encoded(message)
        self._again(message)
        # A SaescopeError is about what can't be loaded, and not about this process.
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
        """Load a run's models; the first encoder also writes the vocabulary."""
        self._computer.load_models(plan)
        if not space.has_vocabulary() and space.wanted():  # loading may have taken long
            space.folder.write_vocabulary(self._computer.vocabulary(plan))

    # -- this process ----------------------------------------------------------------------------------------------

    def _why_fresh(self, failure: Failure, run_id: str, what: str, *, again: bool) -> str | None:
        """Why this process should restart after a failure; None if it needn't."""
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
    """Whether an output is still to be written, as computing it may have taken long."""
    if output.error is not None and (hold.lost or (output.of_weights is None and space.has_partial(chunk))):
        return False  # another attempt is going on, or has succeeded
    return space.wanted()
