"""What the endpoints about runs and about the API itself work with."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request

from services.api.http.endpoint_declaration import Endpoint
from services.api.http.run_event_stream import RunEvents
from services.api.http.write_requests import check_may_write
from services.api.runs.run_changes import Control
from services.api.runs.run_entries import Backend, RunEntries
from sparse_autoencoder.runs.store import Store

_READ_ONLY = "no services are behind this API, so runs can only be looked at; `saescope run` does runs in this folder"


@dataclass(frozen=True)
class Services:
    """The services behind an API, by which runs are started and changed."""

    backend: Backend
    control: Control


@dataclass(frozen=True)
class Api:
    """One API on a store; `services` is None if runs can only be looked at."""

    store: Store
    entries: RunEntries
    events: RunEvents
    services: Services | None
    endpoints: tuple[Endpoint, ...]  # all of them, for openapi.json

    @property
    def control(self) -> Control:
        """What changes runs; HTTPException 405 without services."""
        return self._needed_services().control

    def check_may_write(self, request: Request) -> None:
        """HTTPException unless there are services and this request may change runs."""
        check_may_write(request, self._needed_services().backend.token)

    def _needed_services(self) -> Services:
        if self.services is None:
            raise HTTPException(405, _READ_ONLY, {"Allow": "GET, HEAD"})
        return self.services
