"""What a run's folder holds while services work on it: the only place that knows the names of these files.

Each file has one kind of writer, and what decides anything is written once and never changed, or only grows; so a
worker that was cut off and wakes up late can do no harm. `ingested.json`, chunks, partials and states decide;
`reading.json` and `progress.json` are for people, and `limits` only spares work. This file decides nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs import RunFolder, RunOptions
from sparse_autoencoder.store import NotFoundError, Store

StopReason = Literal["cancelled", "failed", "deleted"]


class RunRequest(BaseModel):
    """What somebody asked for, and when (ISO 8601)."""

    model_config = ConfigDict(frozen=True)

    options: RunOptions
    created_at: str
    token: str = ""  # differs from every other request's, so that who asked for a run's name knows if it got it


class Stopped(BaseModel):
    """Why nobody works on a run; a run that is to be deleted stays so."""

    model_config = ConfigDict(frozen=True)

    status: StopReason
    error: str | None = None
    at: str


class ReadingProgress(BaseModel):
    """How far the source has been read, as far as is known."""

    model_config = ConfigDict(frozen=True)

    source: dict[str, str | int | None]  # as it describes itself
    num_chunks: int = 0
    num_records: int = 0
    fraction: float | None = None


class Ingested(BaseModel):
    """The source was read to its end (or as far as the options ask): there are no more chunks than these."""

    model_config = ConfigDict(frozen=True)

    num_chunks: int
    num_records: int


class MergeProgress(BaseModel):
    """How far the chunks have been merged."""

    model_config = ConfigDict(frozen=True)

    next_chunk: int
    num_records: int
    num_tokens: int
    num_skipped_rows: int
    num_failed_chunks: int
    at: str


File = TypeVar("File", bound=BaseModel)


class Workspace:
    """A run's folder while services work on it; every call raises what the store raises."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.folder = RunFolder(store, run_id)
        self._store = store

    # -- what is decided -------------------------------------------------------------------------------------------

    def create_request(self, request: RunRequest) -> bool:
        """Write what was asked for, unless the run's name is taken; whether it was written."""
        return self._store.create(self.folder.key("request.json"), _json(request))

    def request(self) -> RunRequest:
        """What was asked for; NotFoundError if the run isn't the services', or is finished and cleaned up."""
        return self._read("request.json", RunRequest)

    def stop(self, status: StopReason, error: str | None = None) -> None:
        """Have everybody leave the run alone; what was done stays, and so does the word that it is deleted."""
        # Users and services have a file each: else a failure at the same moment could undo a deletion.
        name = "failed.json" if status == "failed" else "stopped.json"
        before = self.stopped()
        if before is not None and before.status == "deleted":
            return
        self._write(name, Stopped(status=status, error=error, at=now()))

    def go_on(self) -> None:
        """Take a stop back."""
        for name in ("failed.json", "stopped.json"):
            self._store.delete(self.folder.key(name))

    def stopped(self) -> Stopped | None:
        """Why nobody works on the run; None if it isn't stopped."""
        return self._maybe("stopped.json", Stopped) or self._maybe("failed.json", Stopped)

    def finished(self) -> bool:
        """Whether everything is published."""
        return self._exists("metadata.json")

    def active(self) -> bool:
        """Whether there is something to do: the run was asked for, and is neither finished nor stopped."""
        return self._exists("request.json") and not self.finished() and self.stopped() is None

    def wanted(self) -> bool:
        """Whether a result is still of use: the run was asked for, and is neither finished nor deleted."""
        if not self._exists("request.json") or self.finished():
            return False
        stopped = self.stopped()  # a run that was cancelled may go on later
        return stopped is None or stopped.status != "deleted"

    # -- the source ------------------------------------------------------------------------------------------------

    def write_reading(self, progress: ReadingProgress) -> None:
        """Say how far the source is read."""
        self._write("reading.json", progress)

    def reading(self) -> ReadingProgress | None:
        """How far the source is read; None if it wasn't opened yet."""
        return self._maybe("reading.json", ReadingProgress)

    def write_ingested(self, ingested: Ingested) -> None:
        """Say that the source is read to its end."""
        self._write("ingested.json", ingested)

    def ingested(self) -> Ingested | None:
        """How much the source had; None while it isn't read to its end."""
        return self._maybe("ingested.json", Ingested)

    # -- the chunks ------------------------------------------------------------------------------------------------

    def chunks(self) -> list[int]:
        """The chunks whose rows are there."""
        return self.folder.numbers("chunks")

    def put_chunk(self, chunk: int, data: bytes) -> None:
        """Write a chunk's rows."""
        self._store.put(self._numbered("chunks", chunk), data)

    def chunk(self, chunk: int) -> bytes:
        """A chunk's rows; NotFoundError if they are gone, which means that the chunk is merged."""
        return self._store.get(self._numbered("chunks", chunk))

    def delete_chunk(self, chunk: int) -> None:
        """Remove a chunk's rows."""
        self._store.delete(self._numbered("chunks", chunk))

    def partials(self) -> list[int]:
        """The chunks that are encoded and not yet merged."""
        return self.folder.numbers("partials")

    def has_partial(self, chunk: int) -> bool:
        """Whether a chunk is encoded and not yet merged."""
        return self._exists(f"partials/{chunk:06d}")

    def put_partial(self, chunk: int, data: bytes) -> None:
        """Write what a chunk contributes."""
        self._store.put(self._numbered("partials", chunk), data)

    def partial(self, chunk: int) -> bytes:
        """What a chunk contributes; NotFoundError if it isn't there yet, or no longer."""
        return self._store.get(self._numbered("partials", chunk))

    def delete_partial(self, chunk: int) -> None:
        """Remove what a chunk contributed."""
        self._store.delete(self._numbered("partials", chunk))

    def put_limits(self, data: bytes) -> None:
        """Write what examples of chunks that are yet to be merged must reach."""
        self._store.put(self.folder.key("limits"), data)

    def limits(self) -> bytes | None:
        """What examples must reach, as far as is known: maybe that of a state that is less far; None at first."""
        try:
            return self._store.get(self.folder.key("limits"))
        except NotFoundError:
            return None

    def delete_limits(self) -> None:
        """Forget what examples must reach, until it is written again."""
        self._store.delete(self.folder.key("limits"))

    def put_prompts(self, chunk: int, data: bytes) -> None:
        """Write a chunk's prompts file."""
        self._store.put(self.folder.prompts(chunk), data)

    def cursor(self) -> int:
        """The next chunk to be merged, as far as was saved."""
        return self.folder.state_cursor() or 0

    def has_chunk(self, chunk: int) -> bool:
        """Whether a chunk can still be merged: what it contributed is there, or its rows are."""
        return self.has_partial(chunk) or self._exists(f"chunks/{chunk:06d}")

    def remove_merged(self, cursor: int) -> None:
        """Remove the chunks before this one, and what they contributed."""
        for chunk in self.chunks():
            if chunk < cursor:
                self.delete_chunk(chunk)
        for chunk in self.partials():
            if chunk < cursor:
                self.delete_partial(chunk)

    # -- for people ------------------------------------------------------------------------------------------------

    def write_progress(self, progress: MergeProgress) -> None:
        """Say how far the chunks are merged."""
        self._write("progress.json", progress)

    def progress(self) -> MergeProgress | None:
        """How far the chunks are merged; None if none is."""
        return self._maybe("progress.json", MergeProgress)

    # -- the end ---------------------------------------------------------------------------------------------------

    def sweep(self, failed_chunks: Iterable[int]) -> None:
        """Remove what a finished run needs no longer, also what was written late; `failed_chunks` have no rows."""
        for chunk in failed_chunks:
            self._store.delete(self.folder.prompts(chunk))
        for folder in ("chunks/", "partials/", "state/"):
            self._delete_all(folder)
        names = ["limits", "reading.json", "progress.json", "ingested.json", "plan.json", "request.json", "failed.json"]
        stopped = self.stopped()
        if stopped is not None and stopped.status != "deleted":  # cancelled too late
            names.append("stopped.json")
        for name in names:
            self._store.delete(self.folder.key(name))

    def delete_everything(self) -> None:
        """Remove the run's files but for the word that it is deleted."""
        kept = self.folder.key("stopped.json")
        for key in self._store.list(self.folder.key("")):
            if key != kept:
                self._store.delete(key)

    def _delete_all(self, prefix: str) -> None:
        for key in self._store.list(self.folder.key(prefix)):
            self._store.delete(key)

    def _numbered(self, folder: str, chunk: int) -> str:
        return self.folder.key(f"{folder}/{chunk:06d}")

    def _exists(self, name: str) -> bool:
        try:
            self._store.size(self.folder.key(name))
        except NotFoundError:
            return False
        return True

    def _write(self, name: str, content: BaseModel) -> None:
        self._store.put(self.folder.key(name), _json(content))

    def _maybe(self, name: str, kind: type[File]) -> File | None:
        try:
            return self._read(name, kind)
        except NotFoundError:
            return None

    def _read(self, name: str, kind: type[File]) -> File:
        key = self.folder.key(name)
        data = self._store.get(key)
        try:
            return kind.model_validate_json(data)
        except ValidationError as error:
            raise SaescopeError(f"{key} can't be understood: was it written by another release?") from error


def _json(content: BaseModel) -> bytes:
    return json.dumps(content.model_dump(mode="json"), ensure_ascii=False).encode()


def now() -> str:
    """The time as files record it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
