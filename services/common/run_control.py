"""Request, cancel, resume, retry and delete runs: what that means in the store and in the queue.

The store decides what becomes of a run; a message that can't be sent now is sent by the reconcile loop later. Whether a
run can be changed so is decided by its files at that moment.
"""

from contextlib import suppress

from services.common.dependency_interfaces import Dependencies, UnavailableError
from services.common.run_json_files import RunRequest
from services.common.run_workspace import Workspace
from services.common.tasks.messages import Message


class RunControl:
    """Changes runs; every call raises UnavailableError if the store can't be reached."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps

    def ask_for(self, run_id: str, request: RunRequest) -> bool:
        """Request a run; False if its id is taken."""
        if not self.workspace(run_id).create_request(request):
            return False
        self._send(run_id)
        return True

    def cancel(self, run_id: str) -> None:
        """Stop the work on a run, if it is active."""
        space = self.workspace(run_id)
        if space.active():
            space.stop("cancelled")

    def resume(self, run_id: str) -> None:
        """Let a run that was cancelled or failed go on, with no attempts counted.

        UnavailableError also if Redis is away, because the attempts that failed are counted there.
        """
        space = self.workspace(run_id)
        if space.finished():
            return
        self._deps.attempts.forget(run_id)
        space.go_on()
        self._send(run_id)

    def try_again(self, run_id: str) -> None:
        """Retry the failed chunks of a finished run; NotFoundError if it isn't finished.

        It goes on from the state before the first failed chunk, which was kept: what came after is computed again.
        UnavailableError also if Redis is away, as for `resume`.
        """
        self._deps.attempts.forget(run_id)
        self.workspace(run_id).try_again()
        self._send(run_id)

    def delete(self, run_id: str) -> None:
        """Delete a run, also while workers are at it.

        The record that it is deleted is written first, so that nobody shows or continues what is left. It stays until
        the reconcile loop has removed what late workers still wrote, and then removes the record too.
        """
        space = self.workspace(run_id)
        space.stop("deleted")
        self._deps.store.delete(space.folder.metadata)
        space.delete_everything()

    def workspace(self, run_id: str) -> Workspace:
        """A run's folder."""
        return Workspace(self._deps.store, run_id)

    def _send(self, run_id: str) -> None:
        with suppress(UnavailableError):  # the reconcile loop sends it when Redis is back
            self._deps.queue.send(Message(task="ingest", run_id=run_id))
