"""Start, cancel, resume, retry and delete runs for the API, which checks first whether the run's status allows it.

The store decides what becomes of a run; a message that can't be sent now is sent by the reconcile loop later. Several
API processes may change the runs of one store.
"""

import threading
from typing import Literal
from uuid import uuid4

from services.api.response_types.runs import Run
from services.api.runs.run_entries import Backend, RunEntries
from services.common.allowed_sources import NotAllowedError, allowed
from services.common.run_control import RunControl
from services.common.run_json_files import RunRequest
from services.common.run_workspace import now
from sparse_autoencoder.errors import MixtureError, SaescopeError
from sparse_autoencoder.runs.folder_layout import RunFolder, run_ids
from sparse_autoencoder.runs.folder_name import take_run_id
from sparse_autoencoder.runs.provenance import check_publishing, check_recorded
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.saved_states import forget_kept, state_to_retry_from


class ConflictError(SaescopeError):
    """The run's status doesn't allow what was asked."""


class RunChanges:
    """Changes the runs of a store; use it from any thread."""

    def __init__(self, backend: Backend, entries: RunEntries) -> None:
        self.backend = backend
        self._entries = entries
        self._runs = RunControl(backend.deps)
        self._naming = threading.Lock()  # one after the other is quicker than racing for the same id
        self._retrying = threading.Lock()  # so that a second request finds the run going, and gets a ConflictError

    def has_runs(self) -> bool:
        """Whether there is any run, of whatever status."""
        return bool(run_ids(self.backend.deps.store))

    def start(self, options: RunOptions) -> str:
        """Ask for a run; its id. NotAllowedError if the services don't read what the options name."""
        allowed(options, self.backend.data_folder)  # as given they mean the same to every service
        request = RunRequest(options=options, created_at=now(), token=uuid4().hex)
        with self._naming:
            return take_run_id(self.backend.deps.store, lambda name: self._runs.ask_for(name, request))

    def cancel(self, run_id: str) -> Run:
        """Have everybody leave a run alone; its entry. ConflictError if nobody works on it."""
        self._check(run_id, "cancel")
        self._runs.cancel(run_id)
        return self._entries.one(run_id)

    def resume(self, run_id: str) -> Run:
        """Have a run that was cancelled or failed go on; its entry. ConflictError if it is another run.

        UnavailableError if Redis is away, as attempts that were counted there would be held against the run.
        """
        self._check(run_id, "resume")
        self._runs.resume(run_id)
        return self._entries.one(run_id)

    def retry(self, run_id: str) -> Run:
        """Have the failed chunks of a finished run tried again; its entry.

        ConflictError if there are none or the run can't go on, UnavailableError if Redis is away, as for `resume`.
        """
        with self._retrying:
            self._check(run_id, "retry")
            self._prepare_retry(self._runs.workspace(run_id).folder)
            self._runs.try_again(run_id)
            self._entries.forget(run_id)
        return self._entries.one(run_id)

    def delete(self, run_id: str) -> None:
        """Remove a run, whoever works on it; NotFoundError if there is none."""
        self._entries.files.one(run_id)
        self._entries.forget(run_id)
        self._runs.delete(run_id)

    def _prepare_retry(self, folder: RunFolder) -> None:
        """See that a finished run can go on, as it is shown no longer then; ConflictError as far as is known here.

        What was kept for it is removed if it can't be used: then that is computed again too.
        """
        metadata = folder.read_metadata()
        try:
            allowed(metadata.options, self.backend.data_folder)
            check_recorded(metadata)
            check_publishing(metadata)
        except (NotAllowedError, MixtureError) as error:
            raise ConflictError(f"the chunks that failed can't be tried again: {error}") from error
        failed = [chunk.chunk for chunk in metadata.failed_chunks]
        state, _said = state_to_retry_from(folder, metadata.spec, failed)
        if state.next_chunk == 0:
            forget_kept(folder)

    def _check(self, run_id: str, action: Literal["cancel", "resume", "retry"]) -> None:
        entry = self._entries.one(run_id)
        if not entry["can"][action]:
            status = entry["status"].replace("_", " ")
            raise ConflictError(f"run {run_id} is {status}, so there is nothing to {action}")
