"""The endpoints about runs: list them, one, start, cancel, resume, retry, delete, events, and the options of a run.

Without services behind the API, runs can only be read: requests that would change one are answered with 405.
"""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from services.api.http import events
from services.api.http.answers import json_answer
from services.api.http.endpoints import (
    CANCEL,
    DELETE,
    EVENTS,
    ONE_RUN,
    OPTIONS,
    RESUME,
    RETRY,
    RUN_ID,
    RUNS,
    START,
    Endpoint,
)
from services.api.http.events import RunEvents
from services.api.http.parameters import Asked
from services.api.http.requests import check_may_write, read_options
from services.api.http.response_types import Options, Run, RunList, Started
from services.api.http.routing import Answer, Handler, routes
from services.api.runs.run_changes import Control
from services.api.runs.run_entries import Backend, RunEntries
from services.api.runs.run_options import data_files, options

_READ_ONLY = "no services are behind this API, so runs can only be looked at; `saescope run` does runs in this folder"


class RunsApi:
    """The endpoints about runs."""

    def __init__(self, entries: RunEntries, stream: RunEvents, backend: Backend | None) -> None:
        self._entries = entries
        self._stream = stream
        self._backend = backend
        self.control = None if backend is None else Control(backend, entries)

    def routes(self) -> list[Route]:
        """All endpoints below /api."""
        handlers: dict[Endpoint, Answer | Handler] = {
            OPTIONS: self.options,
            RUNS: self.all,
            START: self.start,
            ONE_RUN: self.one,
            DELETE: self.delete,
            CANCEL: self.cancel,
            RESUME: self.resume,
            RETRY: self.retry,
            EVENTS: self.events,
        }
        return routes(handlers, "/api")

    def options(self, _asked: Asked) -> Options:
        """See OPTIONS."""
        backend = self._backend
        if backend is None:
            return {"options": options(), "can_start": False, "data_files": []}
        files, needs_token = data_files(backend.data_folder), backend.token is not None
        return {"options": options(), "can_start": True, "data_files": files, "needs_token": needs_token}

    def all(self, _asked: Asked) -> RunList:
        """See RUNS."""
        return {"runs": self._entries.all()}

    async def start(self, asked: Asked) -> Response:
        """See START."""
        control = self._writable(asked)
        run_id = await run_in_threadpool(control.start, await read_options(asked.request))
        started: Started = {"id": run_id, "status": "queued"}
        return json_answer(started, START.status)

    def one(self, asked: Asked) -> Run:
        """See ONE_RUN."""
        return self._entries.one(asked[RUN_ID])

    def delete(self, asked: Asked) -> None:
        """See DELETE."""
        self._writable(asked).delete(asked[RUN_ID])

    def cancel(self, asked: Asked) -> Run:
        """See CANCEL."""
        return self._writable(asked).cancel(asked[RUN_ID])

    def resume(self, asked: Asked) -> Run:
        """See RESUME."""
        return self._writable(asked).resume(asked[RUN_ID])

    def retry(self, asked: Asked) -> Run:
        """See RETRY."""
        return self._writable(asked).retry(asked[RUN_ID])

    async def events(self, asked: Asked) -> Response:
        """See EVENTS."""
        run_id = asked[RUN_ID]
        if asked.request.method == "HEAD":
            await run_in_threadpool(self._entries.one, run_id)
            return Response(headers=events.HEADERS, media_type=EVENTS.media_type)
        stream = await self._stream.open(run_id)
        return StreamingResponse(stream, headers=events.HEADERS, media_type=EVENTS.media_type)

    def _writable(self, asked: Asked) -> Control:
        """The Control, if there are services and the request may write; HTTPException otherwise."""
        if self._backend is None or self.control is None:
            raise HTTPException(405, _READ_ONLY, {"Allow": "GET, HEAD"})
        check_may_write(asked.request, self._backend.token)
        return self.control
