"""The Starlette application: requests in, payloads out, and the built viewer at `/`.

Whatever is asked, the answer is JSON with the right status; wrong input is never a 500. Here are the endpoints about
the API itself; the others are in features.py, rows.py, compare.py and run_endpoints.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Router

from services.api.content.compare import CompareApi
from services.api.content.features import FeaturesApi
from services.api.content.rows import PromptsApi
from services.api.http.answers import ERRORS
from services.api.http.endpoints import HEALTH, METRICS, OPENAPI, READY
from services.api.http.events import RunEvents
from services.api.http.parameters import Asked
from services.api.http.response_types import Health, Ready
from services.api.http.routing import routes
from services.api.http.viewer_files import ViewerFiles
from services.api.runs.run_endpoints import RunsApi
from services.api.runs.run_entries import Backend, RunEntries
from sparse_autoencoder.reading.run_library import RunLibrary
from sparse_autoencoder.runs.store import NotFoundError, Store


def create_app(store: Store, viewer: Path | None = None, backend: Backend | None = None) -> Starlette:
    """The application on a store of runs.

    `viewer` is the folder of the built viewer. With a `backend`, whose store this is, runs can be started and changed:
    `app.state.control` does that. `app.state.events` are the event streams, which whoever stops the server closes
    first, as it waits for them to end.
    """
    library = RunLibrary(store)
    entries = RunEntries(store, library, backend)
    events = RunEvents(entries.one)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        events.close()

    runs = RunsApi(entries, events, backend)
    # A router of its own: what it doesn't have is a 404 and what it can't do a 405, and never the viewer's page.
    api = Router(
        [
            *FeaturesApi(library).routes(),
            *PromptsApi(library).routes(),
            *CompareApi(library).routes(),
            *runs.routes(),
            *routes({OPENAPI: _description}, "/api"),
        ],
        redirect_slashes=False,
    )
    all_routes: list[BaseRoute] = [*routes({HEALTH: _health, READY: _Readiness(store, backend)}), Mount("/api", api)]
    if backend is not None:
        all_routes += routes({METRICS: _metrics})
    if viewer is not None:
        all_routes.append(Mount("/", ViewerFiles(viewer)))
    app = Starlette(
        routes=all_routes,
        middleware=[Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["GET"])],
        exception_handlers=ERRORS,
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.events, app.state.control = events, runs.control
    return app


def _health(_asked: Asked) -> Health:
    return {"status": "ok"}


class _Readiness:
    """Whether store and Redis answer; UnavailableError if one of them doesn't."""

    def __init__(self, store: Store, backend: Backend | None) -> None:
        self._store = store
        self._backend = backend

    def __call__(self, _asked: Asked) -> Ready:
        with suppress(NotFoundError):  # which is an answer
            self._store.size("readyz")
        if self._backend is not None:
            self._backend.deps.leases.held("readyz")
        return {"status": "ready"}


def _description(_asked: Asked) -> dict[str, Any]:
    from services.api.http.openapi import openapi  # seldom needed

    return openapi()


async def _metrics(_asked: Asked) -> Response:
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    return Response(await run_in_threadpool(generate_latest), headers={"Content-Type": CONTENT_TYPE_LATEST})
