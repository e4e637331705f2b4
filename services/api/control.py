"""Starting, cancelling, resuming and deleting runs: what that means in the store and in the queue.

The store decides; a message that can't be sent now is sent by the watch later. Several processes may start runs in a
store. This file knows nothing of HTTP.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Literal
from uuid import uuid4

from services.api.board import Backend, RunBoard
from services.api.types import Run
from services.common import names
from services.common.messages import Message
from services.common.ports import UnavailableError
from services.common.sources import allowed
from services.common.workspace import RunRequest, Workspace, now
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.reserving import take_run_id
from sparse_autoencoder.runs import RunOptions, run_ids


class ConflictError(SaescopeError):
    """What was asked can't be done with a run in its state."""


class Control:
    """What can be done with the runs of a store."""

    def __init__(self, backend: Backend, board: RunBoard) -> None:
        self._backend = backend
        self._board = board
        self._naming = threading.Lock()  # in turns is quicker than all at once, and no S3 server gets that wrong

    def has_runs(self) -> bool:
        """Whether there is any run, of whatever status."""
        return bool(run_ids(self._backend.world.store))

    def start(self, options: RunOptions) -> str:
        """Ask for a run; its id. NotAllowedError if the services don't read what the options name."""
        allowed(options, self._backend.data_folder)  # as given they mean the same to every service
        request = RunRequest(options=options, created_at=now(), token=uuid4().hex)
        with self._naming:
            run_id = take_run_id(self._backend.world.store, lambda name: self._workspace(name).create_request(request))
        self._send(run_id)
        return run_id

    def cancel(self, run_id: str) -> Run:
        """Have everybody leave a run alone; its entry. ConflictError if nobody works on it."""
        self._check(run_id, "cancel")
        self._workspace(run_id).stop("cancelled")
        return self._board.one(run_id)

    def resume(self, run_id: str) -> Run:
        """Have a run that was cancelled or failed go on; its entry. ConflictError if it is another run.

        UnavailableError if Redis is away, as attempts that were counted there would be held against the run.
        """
        self._check(run_id, "resume")
        self._backend.world.leases.forget(names.counts(run_id))
        self._workspace(run_id).go_on()
        self._send(run_id)
        return self._board.one(run_id)

    def delete(self, run_id: str) -> None:
        """Remove a run, whoever works on it.

        The word that it is deleted comes first, so that nobody shows or continues what is left. It stays, also with a
        finished run, for the watch to remove what workers that wake up late still write; and then the word itself.
        """
        facts = self._board.files.one(run_id)
        space = self._workspace(run_id)
        space.stop("deleted")
        if facts.finished:
            self._backend.world.store.delete(space.folder.metadata)
        self._board.forget(run_id)
        space.delete_everything()

    def _check(self, run_id: str, action: Literal["cancel", "resume"]) -> None:
        entry = self._board.one(run_id)
        if not entry["can"][action]:
            status = entry["status"].replace("_", " ")
            raise ConflictError(f"run {run_id} is {status}, so there is nothing to {action}")

    def _workspace(self, run_id: str) -> Workspace:
        return Workspace(self._backend.world.store, run_id)

    def _send(self, run_id: str) -> None:
        with suppress(UnavailableError):  # the watch sends it when Redis is back
            self._backend.world.queue.send(Message(task="ingest", run_id=run_id))
