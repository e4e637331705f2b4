"""The endpoints about runs as such: list, one, start, cancel, resume, delete, events, and what can be chosen.

Without services behind the API runs can only be looked at, and whatever would change one is answered with 405.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from services.api import events
from services.api.answers import endpoint, json_answer
from services.api.board import Backend, RunBoard
from services.api.control import Control
from services.api.events import RunEvents
from services.api.options import data_files, options
from services.api.payloads import Payload
from services.api.requests import check_may_write, read_options

_READ_ONLY = "no services are behind this API, so runs can only be looked at; `saescope run` does runs in this folder"


class RunsApi:
    """The endpoints, on a board of runs."""

    def __init__(self, board: RunBoard, stream: RunEvents, backend: Backend | None) -> None:
        self._board = board
        self._stream = stream
        self._backend = backend
        self.control = None if backend is None else Control(backend, board)

    def routes(self) -> list[Route]:
        """All endpoints below /api."""
        return [
            Route("/options", endpoint(self.options), methods=["GET"]),
            Route("/runs", self.runs, methods=["GET", "POST"]),
            Route("/runs/{id}", self.run, methods=["GET", "DELETE"]),
            Route("/runs/{id}/cancel", self.cancel, methods=["POST"]),
            Route("/runs/{id}/resume", self.resume, methods=["POST"]),
            Route("/runs/{id}/events", self.events, methods=["GET"]),
        ]

    def options(self, _request: Request) -> dict[str, Any]:
        """GET /api/options."""
        backend = self._backend
        answer = {"options": options(), "can_start": backend is not None, "data_files": []}
        if backend is not None:
            answer |= {"data_files": data_files(backend.data_folder), "needs_token": backend.token is not None}
        return answer

    async def runs(self, request: Request) -> Response:
        """GET and POST /api/runs."""
        if request.method != "POST":
            return json_answer({"runs": await run_in_threadpool(self._board.all)})
        control = self._writable(request)
        run_id = await run_in_threadpool(control.start, await read_options(request))
        return json_answer({"id": run_id, "status": "queued"}, 201)

    async def run(self, request: Request) -> Response:
        """GET and DELETE /api/runs/{id}."""
        run_id = request.path_params["id"]
        if request.method != "DELETE":
            return json_answer(await run_in_threadpool(self._board.one, run_id))
        await run_in_threadpool(self._writable(request).delete, run_id)
        return Response(status_code=204)

    async def cancel(self, request: Request) -> Response:
        """POST /api/runs/{id}/cancel."""
        return await self._change(request, self._writable(request).cancel)

    async def resume(self, request: Request) -> Response:
        """POST /api/runs/{id}/resume."""
        return await self._change(request, self._writable(request).resume)

    async def events(self, request: Request) -> Response:
        """GET /api/runs/{id}/events."""
        run_id = request.path_params["id"]
        if request.method == "HEAD":
            await run_in_threadpool(self._board.one, run_id)
            return Response(headers=events.HEADERS, media_type="text/event-stream")
        stream = await self._stream.open(run_id)
        return StreamingResponse(stream, headers=events.HEADERS, media_type="text/event-stream")

    async def _change(self, request: Request, change: Callable[[str], Payload]) -> Response:
        return json_answer(await run_in_threadpool(change, request.path_params["id"]))

    def _writable(self, request: Request) -> Control:
        """What changes runs, for whoever may; HTTPException otherwise."""
        if self._backend is None or self.control is None:
            raise HTTPException(405, _READ_ONLY, {"Allow": "GET, HEAD"})
        check_may_write(request, self._backend.token)
        return self.control
