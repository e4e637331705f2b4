"""The Starlette application: requests in, payloads out, and the built viewer at `/`.

Reads the store only. Whatever is asked, the answer is JSON with the right status; wrong input is never a 500.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, Router

from services.api import payloads
from services.api.viewer_files import ViewerFiles
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.reading import PublishedRun, RunLibrary
from sparse_autoencoder.store import NotFoundError, Store

MAX_EXAMPLES = 1000
MAX_FEATURES = 10_000
_LARGEST_INTEGER = 2**63 - 1
# int() alone would also take "٣", "1_0" and " 1", and refuses thousands of digits with an error of its own
_INTEGER = re.compile(r"-?[0-9]{1,19}")

Answer = Callable[[Request], dict[str, Any]]


class BadRequest(HTTPException):
    """Status 400 with a sentence."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message)


class Api:
    """The endpoints, on the runs of a store."""

    def __init__(self, store: Store) -> None:
        self._runs = RunLibrary(store)

    def routes(self) -> list[Route]:
        """All endpoints below /api."""
        answers: dict[str, Answer] = {
            "/features": self.features,
            "/feature": self.feature,
            "/feature_info": self.feature_info,
            "/runs": self.runs,
        }
        return [Route(path, _endpoint(answer), methods=["GET"]) for path, answer in answers.items()]

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
        limit = _integer(request, "limit", 50, 0, MAX_FEATURES)
        offset = _integer(request, "offset", 0, 0, _LARGEST_INTEGER)
        return payloads.features(run, metric, offset=offset, limit=limit, descending=order == "desc")

    def feature(self, request: Request) -> dict[str, Any]:
        """GET /api/feature?id=&top_k=10&run=."""
        run = self._run(request)
        return payloads.feature(run, _feature_id(request, run), _integer(request, "top_k", 10, 0, MAX_EXAMPLES))

    def feature_info(self, request: Request) -> dict[str, Any]:
        """GET /api/feature_info?id=&top_k=10&run=."""
        run = self._run(request)
        return payloads.feature_info(run, _feature_id(request, run), _integer(request, "top_k", 10, 0, MAX_EXAMPLES))

    def runs(self, _request: Request) -> dict[str, Any]:
        """GET /api/runs."""
        return {"runs": [payloads.run_entry(metadata) for metadata in self._runs.all()]}

    def _run(self, request: Request) -> PublishedRun:
        run_id = request.query_params.get("run")
        return self._runs.open(run_id) if run_id else self._runs.newest()


def create_app(store: Store, viewer: Path | None = None) -> Starlette:
    """The application on a store of runs; `viewer` is the folder of the built viewer."""
    # A router of its own: what it doesn't have is a 404 and what it can't do a 405, and never the viewer's page.
    api = Router(Api(store).routes(), redirect_slashes=False)
    routes: list[BaseRoute] = [Route("/healthz", _endpoint(_health), methods=["GET"]), Mount("/api", api)]
    if viewer is not None:
        routes.append(Mount("/", ViewerFiles(viewer)))
    app = Starlette(
        routes=routes,
        middleware=[Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["GET"])],
        exception_handlers={
            HTTPException: _http_error,
            NotFoundError: _handler(404),
            SaescopeError: _handler(503),
        },
    )
    app.router.redirect_slashes = False
    return app


def _health(_request: Request) -> dict[str, Any]:
    """GET /healthz."""
    return {"status": "ok"}


def _endpoint(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return _json(await run_in_threadpool(answer, request))

    return endpoint


def _json(content: dict[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    # ASCII: a lone surrogate in a text stays an escape instead of breaking the answer
    body = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return Response(body, status, headers, media_type="application/json")


def _handler(status: int) -> Callable[[Request, Exception], Response]:
    return lambda _request, error: _json({"error": str(error)}, status)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    detail = f"there is nothing at {request.url.path}" if error.detail == "Not Found" else error.detail
    return _json({"error": detail}, error.status_code, error.headers)


def _feature_id(request: Request, run: PublishedRun) -> int:
    if "id" not in request.query_params:
        raise BadRequest("id is missing: say which feature, as in ?id=12")
    return _integer(request, "id", 0, 0, run.metadata.num_features - 1)


def _integer(request: Request, name: str, default: int, least: int, most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not _INTEGER.fullmatch(text):
        raise BadRequest(f"{name} must be a whole number, not {text[:40]!r}")
    number = int(text)
    if not least <= number <= most:
        raise BadRequest(f"{name} must be from {least} to {most}, not {number}")
    return number
