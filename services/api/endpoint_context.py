"""What the endpoints about runs and about the API itself work with."""

from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request

from services.api.http.access import Access
from services.api.http.endpoint_declaration import Endpoint
from services.api.http.run_event_stream import RunEvents
from services.api.http.write_requests import check_may_write
from services.api.models.asking import AskModels
from services.api.models.client_limits import ClientLimits
from services.api.runs.run_changes import RunChanges
from services.api.runs.run_entries import RunEntries
from services.api.runs.run_labels import RunLabels
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.runs.store import Store

_READ_ONLY = "no services are behind this API, so runs can only be looked at; `saescope run` does runs in this folder"


@dataclass(frozen=True)
class Api:
    """One API on a store; `run_changes` is None if no services are behind it."""

    store: Store
    entries: RunEntries
    events: RunEvents
    run_changes: RunChanges | None
    labels: RunLabels
    access: Access
    root_path: str  # the prefix under which a proxy shows the API
    endpoints: tuple[Endpoint, ...]  # all of them, for openapi.json
    library: RunLibrary
    models: AskModels
    limits: ClientLimits  # of what each client may ask of the models

    @property
    def changes(self) -> RunChanges:
        """What starts and changes runs; HTTPException 405 without services."""
        if self.run_changes is None:
            raise HTTPException(405, _READ_ONLY, {"Allow": "GET, HEAD"})
        return self.run_changes

    def check_may_write(self, request: Request, endpoint: Endpoint) -> None:
        """HTTPException unless this request may change something, and there are services if that takes some."""
        if not endpoint.without_services:
            _ = self.changes  # 405 without services
        check_may_write(request, self.access, endpoint.takes)
