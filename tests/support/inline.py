"""Ingest, encoders and aggregator as calls in this process, around a real Redis and a directory.

Every call is the work of one message; a new object is what a process has in memory that was just started. This file
knows what services do, not what must come of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from services.aggregator.merge_and_publish import Aggregator
from services.aggregator.summary_merging import SummaryMerging
from services.common.attempt_rule import AttemptRule, FailedAttempt
from services.common.dependency_interfaces import Dependencies, Service
from services.common.real_dependencies import real_dependencies
from services.common.run_json_files import RunRequest
from services.common.run_workspace import Workspace, now
from services.common.settings import Settings
from services.common.tasks.messages import Message
from services.common.turn_of_weights import turn_of_weights
from services.encoder.encode_chunks import ChunkEncoder, Computer, Encoded
from services.encoder.loaded_models import ModelComputer
from services.ingest.read_source import ingest
from services.ingest.tokenised_source import open_dataset
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.run_state import RunState
from sparse_autoencoder.runs.store import Store


class Inline:
    """The services around one Redis, one store and one data folder."""

    def __init__(self, redis_url: str, store: Store, data: Path) -> None:
        settings = Settings(redis_url=redis_url, s3_access_key="user", s3_secret_key="password")
        self.world: Dependencies = replace(real_dependencies(settings), store=store)
        self.data = data
        self.reported: list[FailedAttempt] = []
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
        rule = self.attempt_rule("ingest", stopping)
        ingest(space.folder.run_id, self.world, lambda options: open_dataset(options, self.data), rule)

    def encoder(self, name: str = "this-one", computer: Computer | None = None) -> InlineEncoder:
        """A new encoder process."""
        return InlineEncoder(self, name, computer)

    def aggregate(self, space: Workspace) -> RunMetadata | None:
        """Merge in a new process what is there; the run's metadata if it is finished.

        If only what follows from the weights is left to be encoded, another encoder does that before.
        """
        if (turn := turn_of_weights(space)) is not None and not set(space.chunks()) - set(space.partials()):
            self.encoder("another-one").encode(space, turn)
        aggregator: Aggregator[RunState] = Aggregator(self.world, SummaryMerging(), self.attempt_rule("aggregator"))
        aggregator.aggregate(space.folder.run_id)
        return space.folder.read_metadata() if space.finished() else None

    def attempt_rule(
        self, service: Service, stopping: Callable[[], bool] = lambda: False, name: str = "this-one"
    ) -> AttemptRule:
        """The attempts of a worker; those that fail are in `reported`."""
        return AttemptRule(self.world, service, name, self.reported.append, stopping)


class InlineEncoder:
    """An encoder process: what it has loaded stays loaded."""

    def __init__(self, services: Inline, name: str, computer: Computer | None) -> None:
        self.computer = computer or ModelComputer(services.data)
        self.stopping = False
        rule = services.attempt_rule("encoder", lambda: self.stopping, name)
        self._encoder = ChunkEncoder(services.world, self.computer, rule)

    def encode(self, space: Workspace, *chunks: int) -> list[Encoded | None]:
        """Have a message for each of these chunks, whatever comes of it."""
        run_id = space.folder.run_id
        return [self._encoder.work(Message(task="encode", run_id=run_id, chunk=chunk)) for chunk in chunks]
