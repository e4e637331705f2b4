"""The Starlette application: requests in, payloads out, and the built viewer at `/`.

Whatever is asked, the answer is JSON with the right status; wrong input is never a 500. Here are the endpoints about
features, and about the API itself; those about runs are in runs.py.
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
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, Router

from services.api import payloads
from services.api.answers import ERRORS, Answer, endpoint
from services.api.board import Backend, RunBoard
from services.api.events import RunEvents
from services.api.requests import BadRequest, integer
from services.api.runs import RunsApi
from services.api.viewer_files import ViewerFiles
from sparse_autoencoder.reading import RunLibrary
from sparse_autoencoder.run_view import RunView
from sparse_autoencoder.store import NotFoundError, Store

MAX_EXAMPLES = 1000
MAX_FEATURES = 10_000
_LARGEST_INTEGER = 2**63 - 1


class FeaturesApi:
    """The endpoints about features, on the runs of a store."""

    def __init__(self, library: RunLibrary) -> None:
        self._runs = library

    def routes(self) -> list[Route]:
        """All endpoints below /api."""
        answers: dict[str, Answer] = {
            "/features": self.features,
            "/feature": self.feature,
            "/feature_info": self.feature_info,
        }
        return [Route(path, endpoint(answer), methods=["GET"]) for path, answer in answers.items()]

    def features(self, request: Request) -> dict[str, Any]:
        """GET /api/features?metric=&limit=50&offset=0&order=desc&run=."""
        run = self._run(request)
        available = list(run.metric_descriptions)
        metric = request.query_params.get("metric") or available[0]
        if metric not in available:
            raise BadRequest(f"there is no metric {metric!r}; there are {', '.join(available)}")
        order = request.query_params.get("order", "desc")
        if order not in ("asc", "desc"):
            raise BadRequest(f"order is asc or desc, not {order!r}")
        limit = integer(request, "limit", 50, 0, MAX_FEATURES)
        offset = integer(request, "offset", 0, 0, _LARGEST_INTEGER)
        return payloads.features(run, metric, offset=offset, limit=limit, descending=order == "desc")

    def feature(self, request: Request) -> dict[str, Any]:
        """GET /api/feature?id=&top_k=10&run=."""
        run = self._run(request)
        return payloads.feature(run, _feature_id(request, run), integer(request, "top_k", 10, 0, MAX_EXAMPLES))

    def feature_info(self, request: Request) -> dict[str, Any]:
        """GET /api/feature_info?id=&top_k=10&run=."""
        run = self._run(request)
        return payloads.feature_info(run, _feature_id(request, run), integer(request, "top_k", 10, 0, MAX_EXAMPLES))

    def _run(self, request: Request) -> RunView:
        run_id = request.query_params.get("run")
        return self._runs.open(run_id) if run_id else self._runs.newest()


def create_app(store: Store, viewer: Path | None = None, backend: Backend | None = None) -> Starlette:
    """The application on a store of runs.

    `viewer` is the folder of the built viewer. With a `backend`, whose store this is, runs can be started and changed:
    `app.state.control` does that. `app.state.events` are the event streams, which whoever stops the server closes
    first, as it waits for them to end.
    """
    library = RunLibrary(store)
    board = RunBoard(store, library, backend)
    events = RunEvents(board.one)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        events.close()

    runs = RunsApi(board, events, backend)
    # A router of its own: what it doesn't have is a 404 and what it can't do a 405, and never the viewer's page.
    api = Router([*FeaturesApi(library).routes(), *runs.routes()], redirect_slashes=False)
    routes: list[BaseRoute] = [
        Route("/healthz", endpoint(_health), methods=["GET"]),
        Route("/readyz", endpoint(_Readiness(store, backend)), methods=["GET"]),
        Mount("/api", api),
    ]
    if backend is not None:
        routes.append(Route("/metrics", _metrics, methods=["GET"]))
    if viewer is not None:
        routes.append(Mount("/", ViewerFiles(viewer)))
    app = Starlette(
        routes=routes,
        middleware=[Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["GET"])],
        exception_handlers=ERRORS,
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.events, app.state.control = events, runs.control
    return app


def _health(_request: Request) -> dict[str, Any]:
    """GET /healthz: the process answers."""
    return {"status": "ok"}


class _Readiness:
    """GET /readyz: store and Redis answer; UnavailableError if one of them doesn't."""

    def __init__(self, store: Store, backend: Backend | None) -> None:
        self._store = store
        self._backend = backend

    def __call__(self, _request: Request) -> dict[str, Any]:
        with suppress(NotFoundError):  # which is an answer
            self._store.size("readyz")
        if self._backend is not None:
            self._backend.world.leases.held("readyz")
        return {"status": "ready"}


async def _metrics(_request: Request) -> Response:
    """GET /metrics: Prometheus's text format."""
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    return Response(await run_in_threadpool(generate_latest), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _feature_id(request: Request, run: RunView) -> int:
    if "id" not in request.query_params:
        raise BadRequest("id is missing: say which feature, as in ?id=12")
    return integer(request, "id", 0, 0, run.metadata.num_features - 1)
