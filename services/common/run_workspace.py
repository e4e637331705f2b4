"""The files in a run's folder while services work on it; no other module knows their names.

Each file has one kind of writer. A file that decisions depend on is written once, or only replaced by one that is
further; so a worker that was cut off and wakes up late can do no harm. Decisions depend on `ingested.json`, chunks,
partials and states. `reading.json` lets a change of the source be noticed early (`ingested.json` does so at the end);
it and `progress.json` are shown to people. `cutoffs` only saves work.
"""

import json
from datetime import UTC, datetime
from typing import BinaryIO, TypeVar

from pydantic import BaseModel, ValidationError

from services.common.run_json_files import (
    Ingested,
    MergeProgress,
    ReadingProgress,
    Retry,
    RunRequest,
    Stopped,
    StopReason,
)
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.folder_layout import MAX_METADATA_BYTES, RunFolder
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.saved_states import forget_kept
from sparse_autoencoder.runs.store import NotFoundError, Store, get_at_most

File = TypeVar("File", bound=BaseModel)
# What a finished run doesn't need any more.
_SWEPT_FOLDERS = ("chunks/", "partials/", "state/")
_SWEPT_FILES = ("cutoffs", "reading.json", "progress.json", "ingested.json", "plan.json", "request.json", "failed.json")


class Workspace:
    """A run's folder while services work on it; every call raises what the store raises."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.folder = RunFolder(store, run_id)
        self._store = store

    # -- requested, stopped, finished ------------------------------------------------------------------------------

    def create_request(self, request: RunRequest) -> bool:
        """Write the request, unless the run's id is taken; returns whether it was written."""
        return self._store.create(self.folder.key("request.json"), _json(request))

    def request(self) -> RunRequest:
        """The request; NotFoundError if the services don't work on the run, or it is finished and cleaned up."""
        retry = self.retry()
        return self._read(f"retry/{retry:06d}", Retry).request if retry else self._read("request.json", RunRequest)

    def stop(self, status: StopReason, error: str | None = None) -> None:
        """Stop all work on the run. Its files stay; a run that is deleted can't be stopped for another reason."""
        # Users and services write a file each: else a failure at the same moment could undo a deletion.
        name = "failed.json" if status == "failed" else "stopped.json"
        before = self.stopped()
        if before is not None and before.status == "deleted":
            return
        self._write(name, Stopped(status=status, error=error, at=now()))

    def go_on(self) -> None:
        """Undo `stop`."""
        for name in ("failed.json", "stopped.json"):
            self._store.delete(self.folder.key(name))

    def stopped(self) -> Stopped | None:
        """Why nobody works on the run; None if it isn't stopped."""
        return self._maybe("stopped.json", Stopped) or self._maybe("failed.json", Stopped)

    def finished(self) -> bool:
        """Whether the run is published, and no retry of failed chunks was requested since."""
        if not self._exists("metadata.json"):
            return False
        retry = self.retry()
        metadata = self._published() if retry else None
        return retry == 0 or (metadata is not None and metadata.retries >= retry)

    def active(self) -> bool:
        """Whether there is work to do: the run was requested, and is neither finished nor stopped."""
        return self._asked_for() and not self.finished() and self.stopped() is None

    def wanted(self) -> bool:
        """Whether a result is still of use: the run was requested, and is neither finished nor deleted."""
        if not self._asked_for() or self.finished():
            return False
        stopped = self.stopped()  # a cancelled or failed run may be resumed
        return stopped is None or stopped.status != "deleted"

    # -- retrying failed chunks ------------------------------------------------------------------------------------

    def retry(self) -> int:
        """How many retries of failed chunks were requested; the metadata say how many were done."""
        return max(self.folder.numbers("retry"), default=0)

    def try_again(self) -> None:
        """Request a retry of a finished run's failed chunks; NotFoundError if it isn't finished.

        Writing one file requests it. `go_back` then does it, and the reconcile loop repeats that if it was cut off.
        """
        metadata = self._read("metadata.json", RunMetadata)
        if self._unswept():  # else the run would go on from states and partials that were left over
            self.sweep(metadata)
        request = RunRequest(
            options=metadata.options, created_at=metadata.started_at, retry_from=self.retry_from(metadata)
        )
        retry = metadata.retries + 1
        self._write(f"retry/{retry:06d}", Retry(request=request, metadata=metadata))
        self.go_back()

    def retry_from(self, metadata: RunMetadata) -> int | None:
        """The chunk from which a retry computes again; None if no chunk failed.

        That is the first failed chunk if the state before it was kept, else 0.
        """
        if not metadata.failed_chunks:
            return None
        first = min(chunk.chunk for chunk in metadata.failed_chunks)
        return first if first in self.folder.numbers("before-failures") else 0

    def go_back(self) -> None:
        """Make a finished run for which a retry was requested an unfinished one, if it isn't yet."""
        retry = self.retry()
        metadata = self._published() if retry else None
        if metadata is None or metadata.retries >= retry:
            return
        again = {"status": "running", "retries": retry, "retried_at": now(), "finished_at": None}
        self.folder.write_plan(metadata.model_copy(update=again))
        self._store.delete(self.folder.metadata)

    def keep_before_failures(self, cursor: int, data: bytes) -> None:
        """Keep the state before the first failed chunk, also when the run is finished."""
        self._store.put(self.folder.before_failures(cursor), data)

    def forget_kept(self, after: int) -> None:
        """Remove kept states beyond this cursor, because they are damaged."""
        for cursor in self.folder.numbers("before-failures"):
            if cursor > after:
                self._store.delete(self.folder.before_failures(cursor))

    def saved_cursors(self) -> list[int]:
        """The cursors (next chunks) of the states that were saved or kept, in order."""
        return sorted({*self.folder.numbers("state"), *self.folder.numbers("before-failures")})

    def saved_cursor(self) -> int | None:
        """The cursor of the furthest state; None if there is none."""
        return max(self.saved_cursors(), default=None)

    def saved_state(self, cursor: int) -> bytes:
        """The state with this cursor; NotFoundError if there is none (any more)."""
        try:
            return self._store.get(self.folder.state(cursor))
        except NotFoundError:
            return self._store.get(self.folder.before_failures(cursor))

    # -- the source ------------------------------------------------------------------------------------------------

    def write_reading(self, progress: ReadingProgress) -> None:
        """Record how far the source is read."""
        self._write("reading.json", progress)

    def reading(self) -> ReadingProgress | None:
        """How far the source is read; None if it wasn't opened yet."""
        return self._maybe("reading.json", ReadingProgress)

    def write_ingested(self, ingested: Ingested) -> None:
        """Record that the source is read to its end."""
        self._write("ingested.json", ingested)

    def ingested(self) -> Ingested | None:
        """What was read of the source; None until it is read to its end."""
        return self._maybe("ingested.json", Ingested)

    # -- the chunks ------------------------------------------------------------------------------------------------

    def chunks(self) -> list[int]:
        """The chunks whose rows are in the store."""
        return self.folder.numbers("chunks")

    def put_chunk(self, chunk: int, data: bytes) -> None:
        """Write a chunk's rows."""
        self._store.put(self._numbered("chunks", chunk), data)

    def chunk(self, chunk: int) -> bytes:
        """A chunk's rows; NotFoundError if they were removed, because the chunk is merged."""
        return self._store.get(self._numbered("chunks", chunk))

    def partials(self) -> list[int]:
        """The chunks that have a partial: encoded, and not yet merged."""
        return self.folder.numbers("partials")

    def has_partial(self, chunk: int) -> bool:
        """Whether a chunk has a partial: encoded, and not yet merged."""
        return self._exists(f"partials/{chunk:06d}")

    def put_partial(self, chunk: int, data: bytes) -> None:
        """Write a chunk's partial."""
        self._store.put(self._numbered("partials", chunk), data)

    def partial(self, chunk: int) -> bytes:
        """A chunk's partial; NotFoundError if it isn't written yet, or removed."""
        return self._store.get(self._numbered("partials", chunk))

    def delete_partial(self, chunk: int) -> None:
        """Remove a chunk's partial."""
        self._store.delete(self._numbered("partials", chunk))

    def put_cutoffs(self, data: bytes) -> None:
        """Write the cutoffs: the last keys of full example lists, which examples of later chunks must reach."""
        self._store.put(self.folder.key("cutoffs"), data)

    def cutoffs(self) -> bytes | None:
        """The cutoffs that were written last, maybe those of an earlier state; None if there are none."""
        try:
            return self._store.get(self.folder.key("cutoffs"))
        except NotFoundError:
            return None

    def delete_cutoffs(self) -> None:
        """Remove the cutoffs, until they are written again."""
        self._store.delete(self.folder.key("cutoffs"))

    def has_vocabulary(self) -> bool:
        """Whether the token strings are written."""
        return self._exists("vocabulary.json")

    def put_prompts(self, chunk: int, data: bytes) -> None:
        """Write a chunk's prompts file."""
        self._store.put(self.folder.prompts(chunk), data)

    def put_about_tokens(self, chunk: int, *files: bytes | BinaryIO | None) -> None:
        """Write what a chunk has of token table, token samples, what fires at its tokens, and every activation."""
        folder = self.folder
        keys = folder.token_table(chunk), folder.token_samples(chunk), folder.firings(chunk), folder.activations(chunk)
        for key, data in zip(keys, files, strict=True):
            if data is not None:
                self._store.put(key, data)

    def cursor(self) -> int:
        """The next chunk to be merged, as of the furthest saved state."""
        return self.saved_cursor() or 0

    def has_chunk(self, chunk: int) -> bool:
        """Whether a chunk can still be merged: its partial is in the store, or its rows are."""
        return self.has_partial(chunk) or self._exists(f"chunks/{chunk:06d}")

    def remove_merged(self, cursor: int) -> None:
        """Remove rows and partials of the chunks before `cursor`."""
        for folder in ("chunks", "partials"):
            for chunk in self.folder.numbers(folder):
                if chunk < cursor:
                    self._store.delete(self._numbered(folder, chunk))

    # -- for people ------------------------------------------------------------------------------------------------

    def write_progress(self, progress: MergeProgress) -> None:
        """Record how far the chunks are merged."""
        self._write("progress.json", progress)

    def progress(self) -> MergeProgress | None:
        """How far the chunks are merged; None if none is."""
        return self._maybe("progress.json", MergeProgress)

    # -- the end ---------------------------------------------------------------------------------------------------

    def sweep(self, metadata: RunMetadata) -> None:
        """Remove what a finished run doesn't need any more, also what late workers wrote; `metadata` are the run's."""
        failed = [chunk.chunk for chunk in metadata.failed_chunks]
        for chunk in failed:
            self.folder.remove_chunk(chunk, metadata.options)
        if not failed:  # else trying the failed chunks again needs the others' tables
            self.folder.remove_token_files()
        for folder in _SWEPT_FOLDERS:
            for key in self._store.list(self.folder.key(folder)):
                self._store.delete(key)
        forget_kept(self.folder, failed)
        for retry in self.folder.numbers("retry"):
            if retry <= metadata.retries:
                self._store.delete(self._numbered("retry", retry))
        names = [*_SWEPT_FILES]
        stopped = self.stopped()
        if stopped is not None and stopped.status != "deleted":  # cancelled too late
            names.append("stopped.json")
        for name in names:
            self._store.delete(self.folder.key(name))

    def delete_everything(self) -> None:
        """Remove the run's files, except the record that it is deleted."""
        kept = self.folder.key("stopped.json")
        for key in self._store.list(self.folder.key("")):
            if key != kept:
                self._store.delete(key)

    def _unswept(self) -> bool:
        """Whether a finished run isn't cleaned up, or late workers wrote to it."""
        prefix = self.folder.key("")
        left = (key.removeprefix(prefix) for key in self._store.list(prefix))
        return any(name in (*_SWEPT_FILES, "stopped.json") or name.startswith(_SWEPT_FOLDERS) for name in left)

    def _published(self) -> RunMetadata | None:
        return self._maybe("metadata.json", RunMetadata)

    def _asked_for(self) -> bool:
        return self._exists("request.json") or self.retry() > 0

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
        data = get_at_most(self._store, key, MAX_METADATA_BYTES)
        try:
            return kind.model_validate_json(data)
        except ValidationError as error:
            raise SaescopeError(f"{key} can't be understood: was it written by another release?") from error


def _json(content: BaseModel) -> bytes:
    return json.dumps(content.model_dump(mode="json"), ensure_ascii=False).encode()


def now() -> str:
    """The time as files record it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
