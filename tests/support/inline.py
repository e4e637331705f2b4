"""Ingest, encoders and aggregator as calls in this process, around a real Redis and a directory.

Every call is the work of one message; a new object is what a process has in memory that was just started. This file
knows what services do, not what must come of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from services.aggregator.merging import MergedState, SummaryMerging
from services.aggregator.work import Aggregator
from services.common.messages import Message
from services.common.ports import Service, World
from services.common.records import RunRequest
from services.common.settings import Settings
from services.common.trying import Trying
from services.common.workspace import Workspace, now
from services.common.world import real_world
from services.encoder.computer import ModelComputer
from services.encoder.work import ChunkEncoder
from services.ingest.dataset import open_dataset
from services.ingest.work import ingest
from sparse_autoencoder.runs import RunMetadata, RunOptions
from sparse_autoencoder.store import Store


class Inline:
    """The services around one Redis, one store and one data folder."""

    def __init__(self, redis_url: str, store: Store, data: Path) -> None:
        settings = Settings(redis_url=redis_url, s3_access_key="user", s3_secret_key="password")
        self.world: World = replace(real_world(settings), store=store)
        self.data = data
        self._runs = 0

    def submit(self, options: RunOptions) -> Workspace:
        """Ask for a run; nothing is begun."""
        self._runs += 1
        space = Workspace(self.world.store, f"20260101-000000_run-{self._runs:03d}")
        space.create_request(RunRequest(options=options, created_at=now()))
        return space

    def ingest(self, space: Workspace, until: int | None = None) -> None:
        """Read a run's source in a new process, which is told to end when so many chunks are there."""
        stopping = (lambda: False) if until is None else (lambda: len(space.chunks()) >= until)
        trying = self.trying("ingest", stopping)
        ingest(space.folder.run_id, self.world, lambda options: open_dataset(options, self.data), trying)

    def encoder(self) -> InlineEncoder:
        """A new encoder process."""
        return InlineEncoder(self)

    def aggregate(self, space: Workspace) -> RunMetadata | None:
        """Merge in a new process what is there; the run's metadata if it is finished."""
        aggregator: Aggregator[MergedState] = Aggregator(self.world, SummaryMerging(), self.trying("aggregator"))
        aggregator.aggregate(space.folder.run_id)
        return space.folder.read_metadata() if space.finished() else None

    def trying(self, service: Service, stopping: Callable[[], bool] = lambda: False) -> Trying:
        """The attempts of a worker that is the only one."""
        return Trying(self.world, service, "this-one", lambda reported: None, stopping)


class InlineEncoder:
    """An encoder process: what it has loaded stays loaded."""

    def __init__(self, services: Inline) -> None:
        self.computer = ModelComputer(services.data)
        self._encoder = ChunkEncoder(services.world, self.computer, services.trying("encoder"))

    def encode(self, space: Workspace, *chunks: int) -> None:
        """Have a message for each of these chunks, whatever comes of it."""
        for chunk in chunks:
            self._encoder.work(Message(task="encode", run_id=space.folder.run_id, chunk=chunk))
