"""Asking for runs, cancelling, resuming, deleting and trying again: what that means in the store and in the queue.

The store decides; a message that can't be sent now is sent by the watch later. Whether an action makes sense for a
run is judged by its files at that moment. This file knows nothing of HTTP.
"""

from __future__ import annotations

from contextlib import suppress

from services.common.interfaces import UnavailableError, World
from services.common.run_records import RunRequest
from services.common.run_workspace import Workspace
from services.common.tasks.messages import Message


class RunControl:
    """What can be done with runs."""

    def __init__(self, world: World) -> None:
        self._world = world

    def ask_for(self, run_id: str, request: RunRequest) -> bool:
        """Ask for a run, if nobody has asked for one of that name; whether it was asked for."""
        if not self.workspace(run_id).create_request(request):
            return False
        self._send(run_id)
        return True

    def cancel(self, run_id: str) -> None:
        """Have everybody leave a run alone, if somebody works on it."""
        space = self.workspace(run_id)
        if space.active():
            space.stop("cancelled")

    def resume(self, run_id: str) -> None:
        """Have a run that was cancelled or failed go on.

        UnavailableError if Redis is away, as attempts that were counted there would be held against the run.
        """
        space = self.workspace(run_id)
        if space.finished():
            return
        self._world.attempts.forget(run_id)
        space.go_on()
        self._send(run_id)

    def try_again(self, run_id: str) -> None:
        """Have the failed chunks of a finished run tried again; NotFoundError if it isn't finished.

        It goes on from the state before the first failed chunk, which was kept: what came after is computed again.
        UnavailableError if Redis is away, as for `resume`.
        """
        self._world.attempts.forget(run_id)
        self.workspace(run_id).try_again()
        self._send(run_id)

    def delete(self, run_id: str) -> None:
        """Remove a run, whoever works on it.

        The word that it is deleted comes first, so that nobody shows or continues what is left. It stays, also with a
        finished run, for the watch to remove what workers that wake up late still write; and then the word itself.
        """
        space = self.workspace(run_id)
        space.stop("deleted")
        self._world.store.delete(space.folder.metadata)
        space.delete_everything()

    def workspace(self, run_id: str) -> Workspace:
        """A run's folder."""
        return Workspace(self._world.store, run_id)

    def _send(self, run_id: str) -> None:
        with suppress(UnavailableError):  # the watch sends it when Redis is back
            self._world.queue.send(Message(task="ingest", run_id=run_id))
