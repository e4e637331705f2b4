"""The viewer's pages and the API at one address, as nginx has them in compose (infra/nginx.conf).

The pages stay when the API is away, and whoever asks for the API is then told so. This file knows no endpoint.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from services.api.http.viewer_files import ViewerFiles
from services.commands.serve import VIEWER
from tests.support.api import served_by

NO_API = "the API does not answer; it may still be starting: docker compose ps"
_PASSED_ON = (
    "cache-control",
    "content-encoding",
    "content-length",
    "content-security-policy",
    "content-type",
    "etag",
    "set-cookie",
)
_GRACE_S = 1  # for streams that go on for ever


@contextmanager
def front_of(api_url: str) -> Iterator[str]:
    """The address of the pages in front of the API at `api_url`, until the context ends."""
    api = _Api(api_url)
    everything = Route("/api/{path:path}", api.pass_on, methods=["GET", "POST", "DELETE"])
    app = Starlette(routes=[everything, Mount("/", ViewerFiles(VIEWER))], lifespan=api.open)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=_GRACE_S))
    with served_by(server) as url:
        yield url


@contextmanager
def proxy_below(url: str, prefix: str) -> Iterator[str]:
    """The address at which a proxy shows what is at `url`, below a prefix that it takes off, as JupyterHub does."""
    server = _Api(url, prefix)
    methods = ["GET", "POST", "DELETE"]
    app = Starlette(routes=[Route(f"{prefix}/{{path:path}}", server.pass_on, methods=methods)], lifespan=server.open)
    running = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=_GRACE_S))
    with served_by(running) as proxy:
        yield f"{proxy}{prefix}/"


class _Api:
    """An API that may be away; `prefix` is taken off what is asked of it."""

    def __init__(self, url: str, prefix: str = "") -> None:
        self._prefix = prefix
        self._client = httpx2.AsyncClient(base_url=url, timeout=None, trust_env=False)  # streams go on for ever

    @asynccontextmanager
    async def open(self, _app: Starlette) -> AsyncIterator[None]:
        """Let go of its connections at the end."""
        async with self._client:
            yield

    async def pass_on(self, request: Request) -> Response:
        """What the API answers, as it comes."""
        address = str(request.url.replace(scheme="", netloc="")).removeprefix(self._prefix)
        body = await request.body()
        asked = self._client.build_request(request.method, address, headers=request.headers.raw, content=body)
        try:
            answer = await self._client.send(asked, stream=True)
        except httpx2.TransportError:
            return JSONResponse({"error": NO_API}, 503)
        headers = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
        return StreamingResponse(_pieces(answer), answer.status_code, headers)


async def _pieces(answer: httpx2.Response) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.aiter_raw():
            yield piece
    except httpx2.TransportError:  # the API went away
        return
    finally:
        await answer.aclose()
