"""Routes out of declared endpoints: handlers get what was asked, already checked, and nothing else is taken.

This file knows no endpoint in particular.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.api.http.answers import json_answer
from services.api.http.endpoints import Endpoint
from services.api.http.parameters import Asked

Answer = Callable[[Asked], Mapping[str, object] | None]  # worked out in a thread
Handler = Callable[[Asked], Awaitable[Response]]
_Served = Callable[[Request], Awaitable[Response]]


def routes(handlers: Mapping[Endpoint, Answer | Handler], mounted_at: str = "") -> list[Route]:
    """One route per path, for a router that is mounted at the beginning of all these paths."""
    by_path: dict[str, dict[str, _Served]] = {}
    for endpoint, handler in handlers.items():
        by_path.setdefault(endpoint.path, {})[endpoint.method] = _served(endpoint, handler)
    return [
        Route(path.removeprefix(mounted_at), _by_method(served), methods=[*served]) for path, served in by_path.items()
    ]


def _served(endpoint: Endpoint, handler: Answer | Handler) -> _Served:
    async def served(request: Request) -> Response:
        asked = Asked(request, endpoint.parameters)
        if inspect.iscoroutinefunction(handler):
            response: Response = await handler(asked)
            return response
        content = await run_in_threadpool(cast(Answer, handler), asked)
        return Response(status_code=endpoint.status) if content is None else json_answer(content, endpoint.status)

    return served


def _by_method(served: Mapping[str, _Served]) -> _Served:
    async def answered(request: Request) -> Response:
        return await served["GET" if request.method == "HEAD" else request.method](request)

    return answered
