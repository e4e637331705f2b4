"""What a run's files say about it, read with as few requests to the store as possible.

Finished runs are cached, as they don't change. Only one with failed chunks may be retried, also through another API
process, so its entry expires after FAILED_AGAIN_S.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from services.api.response_types.runs import RunStatus
from services.common.dependency_interfaces import UnavailableError
from services.common.run_json_files import Ingested, MergeProgress, ReadingProgress, RunRequest, Stopped
from services.common.run_workspace import Workspace, now
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.folder_layout import RunFolder, run_ids
from sparse_autoencoder.runs.format_version import NewerFormatError
from sparse_autoencoder.runs.metadata import PUBLISHED, RunMetadata
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import NotFoundError, Store

FAILED_AGAIN_S = 10.0  # how long a finished run with failed chunks is cached


@dataclass(frozen=True)
class RunFacts:
    """What a run's files say about it."""

    run_id: str
    status: RunStatus
    options: RunOptions
    metadata: RunMetadata | None  # of an unfinished run of the services: its plan, as soon as there is one
    request: RunRequest | None = None  # None for what services don't work on: finished, or a run of `saescope run`
    stopped: Stopped | None = None
    reading: ReadingProgress | None = None
    ingested: Ingested | None = None
    merged: MergeProgress | None = None
    retry_from: int | None = None  # the chunk from which services try failed ones again, or would

    @property
    def finished(self) -> bool:
        """Whether everything is published."""
        return self.status in PUBLISHED

    @property
    def active(self) -> bool:
        """Whether somebody works on it, or will."""
        return self.status in ("queued", "running")

    @property
    def num_kept_records(self) -> int:
        """The rows before the chunk from which failed ones are tried again; 0 at first."""
        failed = [] if self.metadata is None else self.metadata.failed_chunks
        return next((chunk.first_row for chunk in failed if chunk.chunk == self.retry_from), 0)


class RunFiles:
    """The runs of a store, for several threads; calls raise UnavailableError if the store can't be used."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._finished: dict[str, tuple[RunFacts, float]] = {}  # and when each was read

    def all(self) -> list[RunFacts]:
        """Every run that can be read, newest first."""
        ids = run_ids(self._store)
        with self._lock:
            finished = {run_id: self._finished[run_id] for run_id in ids if run_id in self._finished}
            self._finished = dict(finished)  # without those that are gone
        found = []
        for run_id in ids:
            facts, read_at = finished.get(run_id, (None, 0.0))
            try:
                found.append(self.one(run_id) if facts is None or self._may_have_changed(facts, read_at) else facts)
            except UnavailableError:
                raise
            except SaescopeError:  # one folder that is no run, or a damaged one, must not hide the others
                continue
        return found

    def one(self, run_id: str) -> RunFacts:
        """One run; NotFoundError if there is none or it is deleted, SaescopeError if a file is damaged.

        A run that a later version of saescope has written is shown as failed, with an error that says so.
        """
        try:
            return self._one(run_id)
        except NewerFormatError as error:
            why = Stopped(status="failed", error=str(error), at=now())
            return RunFacts(run_id, "failed", _known_options(RunFolder(self._store, run_id)), None, stopped=why)

    def _one(self, run_id: str) -> RunFacts:
        space = Workspace(self._store, run_id)
        metadata = _metadata(space)
        if metadata is not None and metadata.status in PUBLISHED:
            return self._remember(space, metadata)
        stopped = space.stopped()
        stopped_as: RunStatus | None = None
        if stopped is not None:
            if stopped.status == "deleted":
                raise NotFoundError(f"there is no run {run_id!r}: it was deleted")
            stopped_as = stopped.status
        try:
            request = space.request()
        except NotFoundError:  # not the services' run; or it was finished just now, and then its metadata are there
            metadata = space.folder.read_metadata()
            if metadata.status in PUBLISHED:
                return self._remember(space, metadata)
            return RunFacts(run_id, metadata.status, metadata.options, metadata)
        reading = space.reading()
        begun = reading is not None or metadata is not None
        return RunFacts(
            run_id,
            stopped_as or ("running" if begun else "queued"),
            request.options,
            metadata,
            request,
            stopped,
            reading,
            space.ingested(),
            space.progress(),
            request.retry_from,
        )

    def forget(self, run_id: str) -> None:
        """Drop what is cached about a run, because it is deleted or retried."""
        with self._lock:
            self._finished.pop(run_id, None)

    def _may_have_changed(self, facts: RunFacts, read_at: float) -> bool:
        return facts.retry_from is not None and self._clock() - read_at >= FAILED_AGAIN_S

    def _remember(self, space: Workspace, metadata: RunMetadata) -> RunFacts:
        run_id, at = space.folder.run_id, self._clock()
        facts = RunFacts(run_id, metadata.status, metadata.options, metadata, retry_from=space.retry_from(metadata))
        with self._lock:
            self._finished[run_id] = facts, at
        return facts


def _known_options(folder: RunFolder) -> RunOptions:
    """The options of a run that a later version has written, as far as they are options of this one."""
    options = json.loads(folder.metadata_json()).get("options", {})
    try:
        return RunOptions.model_validate({name: options[name] for name in RunOptions.model_fields if name in options})
    except (ValidationError, TypeError):
        return RunOptions()


def _metadata(space: Workspace) -> RunMetadata | None:
    try:
        return space.folder.read_metadata()
    except NotFoundError:
        return None
