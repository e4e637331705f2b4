"""Reading a run's source: chunk after chunk into the store, a message for each, and never far ahead of the encoders.

Reading stops when somebody else has the lease, and goes on after the last chunk that was written. A chunk's bytes
depend on the source alone, so that writing one twice changes nothing. This file knows no formats and no tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Protocol

from services.common import work_names
from services.common.attempt_rule import OTHERS_FIRST_S, AttemptRule, Moved, Progress
from services.common.interfaces import Dependencies, Hold, StoppingError, UnavailableError
from services.common.run_records import Ingested, ReadingProgress
from services.common.run_workspace import Workspace
from services.common.tasks.messages import Message
from sparse_autoencoder.data.rows_hash import NOTHING_READ, ReadBefore
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.options import RunOptions
from sparse_autoencoder.runs.provenance import changed, source_changes
from sparse_autoencoder.utils.failures import Failure

HOLD_BACK_S = 0.5  # between two looks at whether there is room for another chunk


@dataclass(frozen=True)
class DatasetChunk:
    """A chunk of a dataset, as it goes into the store."""

    index: int
    data: bytes


class Dataset(Protocol):
    """A source that was opened, and is read once."""

    @property
    def source(self) -> Mapping[str, str | int | None]:
        """How it describes itself; the same whenever it is opened, but for `notice`."""

    @property
    def tokens(self) -> Mapping[str, str]:
        """What the tokens depend on beside the rows."""

    @property
    def num_records(self) -> int:
        """The records read so far."""

    @property
    def rows_hash(self) -> str:
        """The running hash of the records read so far."""

    @property
    def fraction(self) -> float | None:
        """How much of it has been read, 0 to 1; None if that isn't known."""

    def chunks(self, first: int, moved: Moved, before: ReadBefore | None = None) -> Iterator[DatasetChunk]:
        """The chunks from number `first` on; `moved` is called as they are read, and may raise.

        SaescopeError if the source doesn't give what was read of it before.
        """


OpenDataset = Callable[[RunOptions], AbstractContextManager[Dataset]]
PATIENCE_OPENING = 6  # sources may have to be downloaded, which may take so many times as long as other work


def ingest(run_id: str, deps: Dependencies, open_dataset: OpenDataset, rule: AttemptRule) -> Ingested | None:
    """Read a run's source to its end, if nobody else does; None if there was nothing to do, or it was interrupted.

    A source that can't be read makes the run fail, with the reason; so does whatever else goes wrong again and again.
    When this process is told to stop, the rest is left for another.
    """
    space = Workspace(deps.store, run_id)
    if rule.defers_to_others(run_id, work_names.INGEST, at_most_s=OTHERS_FIRST_S):
        return None  # the reconcile loop requeues it, to whoever takes it first
    with deps.leases.hold(work_names.ingest_lease(run_id)) as hold:
        if hold is None or not space.active() or space.ingested() is not None:
            return None
        if rule.fail_run_if_given_up(space, hold, work_names.INGEST, None, "it read the source"):
            return None
        ingested = _try(space, deps, open_dataset, rule, hold)
    if ingested is not None:
        deps.queue.send(Message(task="aggregate", run_id=run_id))
    return ingested


def _try(
    space: Workspace, deps: Dependencies, open_dataset: OpenDataset, rule: AttemptRule, hold: Hold
) -> Ingested | None:
    """One attempt; None if it failed, or somebody else is to go on, or nobody."""
    run_id = space.folder.run_id

    def read(progress: Progress) -> Ingested | None:
        with open_dataset(space.request().options) as dataset:
            progress.moved()
            return _read(space, deps, hold, dataset, progress)

    try:
        result = rule.attempt(run_id, work_names.INGEST, read, PATIENCE_OPENING * deps.limits.patience_s)
    except StoppingError:
        with suppress(UnavailableError):  # then the reconcile loop does
            deps.queue.send(Message(task="ingest", run_id=run_id))
        return None
    if isinstance(result, Failure):
        rule.fail_run_if_given_up(space, hold, work_names.INGEST, result, "it read the source")
        return None
    return result


def _read(space: Workspace, deps: Dependencies, hold: Hold, dataset: Dataset, progress: Progress) -> Ingested | None:
    """Write what is missing; None if somebody else is to go on, or nobody."""
    before = space.reading()
    if before is not None:
        _check_same(before, dataset)
    next_chunk = _next_chunk(space)
    if hold.lost:  # opening may have taken long
        return None

    def reading() -> ReadingProgress:
        return ReadingProgress(
            source=dict(dataset.source),
            tokens=dict(dataset.tokens),
            rows_hash=dataset.rows_hash,
            num_chunks=next_chunk,
            num_records=dataset.num_records,
            fraction=dataset.fraction,
        )

    if before is None:
        space.write_reading(reading())  # whoever encodes the first chunk needs to know the source
    for chunk in dataset.chunks(next_chunk, progress.moved, _read_before(before)):
        if not _wait_for_room(space, deps, hold, progress.moved):
            return None
        next_chunk = chunk.index + 1
        space.write_reading(reading())  # before the chunk is there: so its hash covers all chunks that are
        space.put_chunk(chunk.index, chunk.data)
        deps.queue.send(Message(task="encode", run_id=space.folder.run_id, chunk=chunk.index))
        progress.advanced()
    if hold.lost:
        return None
    ingested = Ingested(num_chunks=next_chunk, num_records=dataset.num_records, rows_hash=dataset.rows_hash)
    space.write_ingested(ingested)
    return ingested


def _next_chunk(space: Workspace) -> int:
    """After the last chunk that was written: it is either still there, or merged and below the cursor."""
    written = space.chunks()  # before the cursor is read, as merged chunks are removed after it moved
    return max(space.cursor(), *(chunk + 1 for chunk in written), 0)


def _wait_for_room(space: Workspace, deps: Dependencies, hold: Hold, moved: Moved) -> bool:
    """Wait until few enough chunks wait to be merged; False if this isn't ours to do any more."""
    while not hold.lost and space.active():
        moved()
        cursor = space.cursor()  # merged chunks stay for a while
        if sum(chunk >= cursor for chunk in space.chunks()) < deps.limits.max_waiting_chunks:
            return True
        deps.clock.sleep(HOLD_BACK_S)
    return False


def _check_same(before: ReadingProgress, dataset: Dataset) -> None:
    if found := source_changes(before.source, dataset.source):
        raise SaescopeError(f"the source changed while it was read ({found}): start a new run")
    if found := changed(before.tokens, dataset.tokens):
        raise SaescopeError(
            f"the tokenizer changed while the source was read ({found}): put back what the run was begun with, "
            "wherever it is worked on, and resume it, or start a new run"
        )


def _read_before(before: ReadingProgress | None) -> ReadBefore | None:
    if before is None or before.rows_hash == NOTHING_READ:  # opened, and nothing read
        return None
    return ReadBefore(str(before.source.get("file")), before.num_chunks, before.num_records, before.rows_hash)
