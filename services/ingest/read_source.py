"""Read a run's source: write it to the store chunk by chunk, with a message for each, not far ahead of the encoders.

Reading goes on after the last chunk that was written, and stops when the lease is lost. It is idempotent: a chunk's
bytes depend on the source alone. Dataset is a protocol because tests/simulation reads fakes.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from typing import Protocol

from services.common import work_names
from services.common.attempt_rule import OTHERS_FIRST_S, AttemptRule, Moved, Progress
from services.common.dependency_interfaces import Dependencies, Hold, StoppingError, UnavailableError
from services.common.run_json_files import Ingested, ReadingProgress
from services.common.run_workspace import Workspace
from services.common.tasks.messages import Message
from services.common.turn_of_weights import turn_of_weights
from sparse_autoencoder.data.rows_hash import NOTHING_READ, ReadBefore
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.provenance import changed, source_changes
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.utils.failure_rule import Failure

HOLD_BACK_S = 0.5  # between two checks whether there is room for another chunk (backpressure)


class Dataset(Protocol):
    """A source that was opened, and is read once."""

    def progress(self, num_chunks: int) -> ReadingProgress:
        """What the source and the tokenizer are, and how far reading is, `num_chunks` chunks by now."""

    def chunks(self, first: int, moved: Moved, before: ReadBefore | None = None) -> Iterator[tuple[int, bytes]]:
        """The chunks from number `first` on, each with its number; `moved` is called as they are read, and may raise.

        SaescopeError if the source doesn't give what was read of it before.
        """


OpenDataset = Callable[[RunOptions], AbstractContextManager[Dataset]]
PATIENCE_OPENING = 6  # opening a source may take this many times `patience_s`, as it may be downloaded


def ingest(run_id: str, deps: Dependencies, open_dataset: OpenDataset, rule: AttemptRule) -> Ingested | None:
    """Read a run's source to its end; None if another worker does, there was nothing to do, or it was interrupted.

    The run fails if the source can't be read, or if reading fails again and again. If this process is told to stop, the
    task is requeued, and another worker reads the rest.
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
    """One attempt; None if it failed or was interrupted."""
    run_id = space.folder.run_id

    def read(progress: Progress) -> Ingested | None:
        with open_dataset(space.request().options) as dataset:
            progress.moved()
            return _read(space, deps, hold, dataset, progress)

    try:
        result = rule.attempt(run_id, work_names.INGEST, read, PATIENCE_OPENING * deps.settings.patience_s)
    except StoppingError:
        with suppress(UnavailableError):  # then the reconcile loop does
            deps.queue.send(Message(task="ingest", run_id=run_id))
        return None
    if isinstance(result, Failure):
        rule.fail_run_if_given_up(space, hold, work_names.INGEST, result, "it read the source")
        return None
    return result


def _read(space: Workspace, deps: Dependencies, hold: Hold, dataset: Dataset, progress: Progress) -> Ingested | None:
    """Write the chunks that are missing; None if the lease was lost, or the run was stopped."""
    before = space.reading()
    if before is not None:
        _check_same(before, dataset.progress(0))
    next_chunk = _next_chunk(space)
    if hold.lost:  # opening may have taken long
        return None
    if before is None:
        space.write_reading(dataset.progress(next_chunk))  # the encoder of the first chunk needs the description
    for number, data in dataset.chunks(next_chunk, progress.moved, _read_before(before)):
        if not _wait_for_room(space, deps, hold, progress.moved):
            return None
        next_chunk = number + 1
        # before the chunk, so that its hash covers every chunk that is there
        space.write_reading(dataset.progress(next_chunk))
        space.put_chunk(number, data)
        deps.queue.send(Message(task="encode", run_id=space.folder.run_id, chunk=number))
        progress.advanced()
    if hold.lost:
        return None
    read = dataset.progress(next_chunk)
    ingested = Ingested(num_chunks=next_chunk, num_records=read.num_records, rows_hash=read.rows_hash)
    space.write_ingested(ingested)
    if (turn := turn_of_weights(space)) is not None:
        deps.queue.send(Message(task="encode", run_id=space.folder.run_id, chunk=turn))
    return ingested


def _next_chunk(space: Workspace) -> int:
    """The number after the last chunk that was written, which is still there, or merged and so before the cursor."""
    written = space.chunks()  # before the cursor is read, as merged chunks are removed after it moved
    return max(space.cursor(), *(chunk + 1 for chunk in written), 0)


def _wait_for_room(space: Workspace, deps: Dependencies, hold: Hold, moved: Moved) -> bool:
    """Wait until few enough chunks wait to be merged; False if this isn't ours to do any more."""
    while not hold.lost and space.active():
        moved()
        cursor = space.cursor()  # merged chunks stay for a while
        if sum(chunk >= cursor for chunk in space.chunks()) < deps.settings.max_waiting_chunks:
            return True
        deps.clock.sleep(HOLD_BACK_S)
    return False


def _check_same(before: ReadingProgress, opened: ReadingProgress) -> None:
    if found := source_changes(before.source, opened.source):
        raise SaescopeError(f"the source changed while it was read ({found}): start a new run")
    if found := changed(before.tokens, opened.tokens):
        raise SaescopeError(
            f"the tokenizer changed while the source was read ({found}): put back what the run was begun with, "
            "wherever it is worked on, and resume it, or start a new run"
        )


def _read_before(before: ReadingProgress | None) -> ReadBefore | None:
    if before is None or before.rows_hash == NOTHING_READ:  # opened, and nothing read
        return None
    return ReadBefore(str(before.source.get("file")), before.num_chunks, before.num_records, before.rows_hash)
