"""Reading a run's source: chunk after chunk into the store, a message for each, and never far ahead of the encoders.

Reading stops when somebody else has the lease, and goes on after the last chunk that was written. A chunk's bytes
depend on the source alone, so that writing one twice changes nothing. This file knows no formats and no tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from services.common import names
from services.common.failures import stopped_by_failure
from services.common.messages import Message
from services.common.ports import Hold, World
from services.common.workspace import Ingested, ReadingProgress, Workspace
from sparse_autoencoder.changes import changes
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs import RunOptions

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
    def num_records(self) -> int:
        """The records read so far."""

    @property
    def fraction(self) -> float | None:
        """How much of it has been read, 0 to 1; None if that isn't known."""

    def chunks(self, first: int) -> Iterator[DatasetChunk]:
        """The chunks from number `first` on."""


OpenDataset = Callable[[RunOptions], AbstractContextManager[Dataset]]


def _never() -> bool:
    return False


def ingest(
    run_id: str, world: World, open_dataset: OpenDataset, stopping: Callable[[], bool] = _never
) -> Ingested | None:
    """Read a run's source to its end, if nobody else does; None if there was nothing to do, or it was interrupted.

    A source that can't be read makes the run fail, with the reason. When `stopping`, the rest is left for later.
    """
    space = Workspace(world.store, run_id)
    ingested = None
    with world.leases.hold(names.ingest_lease(run_id)) as hold:
        if hold is None or not space.active() or space.ingested() is not None:
            return None
        with stopped_by_failure(space, hold), open_dataset(space.request().options) as dataset:
            ingested = _read(space, world, hold, dataset, stopping)
    if ingested is not None:
        world.queue.send(Message(task="aggregate", run_id=run_id))
    return ingested


def _read(
    space: Workspace, world: World, hold: Hold, dataset: Dataset, stopping: Callable[[], bool]
) -> Ingested | None:
    """Write what is missing; None if somebody else is to go on, or nobody."""
    _check_same(space, dataset)
    next_chunk = _next_chunk(space)
    if hold.lost:  # opening may have taken long
        return None

    def progress() -> ReadingProgress:
        return ReadingProgress(
            source=dict(dataset.source),
            num_chunks=next_chunk,
            num_records=dataset.num_records,
            fraction=dataset.fraction,
        )

    space.write_reading(progress())  # whoever encodes the first chunk needs to know the source
    for chunk in dataset.chunks(next_chunk):
        if not _wait_for_room(space, world, hold, stopping):
            return None
        space.put_chunk(chunk.index, chunk.data)
        world.queue.send(Message(task="encode", run_id=space.folder.run_id, chunk=chunk.index))
        next_chunk = chunk.index + 1
        space.write_reading(progress())
    if hold.lost:
        return None
    ingested = Ingested(num_chunks=next_chunk, num_records=dataset.num_records)
    space.write_ingested(ingested)
    return ingested


def _next_chunk(space: Workspace) -> int:
    """After the last chunk that was written: it is either still there, or merged and below the cursor."""
    written = space.chunks()  # before the cursor is read, as merged chunks are removed after it moved
    return max(space.cursor(), *(chunk + 1 for chunk in written), 0)


def _wait_for_room(space: Workspace, world: World, hold: Hold, stopping: Callable[[], bool]) -> bool:
    """Wait until few enough chunks wait to be merged; False if this isn't ours to do any more, or not now."""
    while not hold.lost and not stopping() and space.active():
        cursor = space.cursor()  # merged chunks stay for a while
        if sum(chunk >= cursor for chunk in space.chunks()) < world.limits.max_waiting_chunks:
            return True
        world.clock.sleep(HOLD_BACK_S)
    return False


def _check_same(space: Workspace, dataset: Dataset) -> None:
    before = space.reading()
    if before is not None and (changed := changes(before.source, dataset.source)):
        raise SaescopeError(f"the source changed while it was read ({changed}): start a new run")
