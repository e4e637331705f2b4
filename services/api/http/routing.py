"""Starlette's routes out of declared endpoints: requests checked, functions called in threads, answers as JSON."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.api.endpoint_context import Api
from services.api.http.caching import RunAnswers
from services.api.http.endpoint_declaration import Endpoint
from services.api.http.json_answers import json_answer
from services.api.http.parameters import read_parameters
from services.api.http.write_requests import read_options

_Handler = Callable[[Request], Awaitable[Response]]


def routes(endpoints: Iterable[Endpoint], api: Api, run_answers: RunAnswers, mounted_at: str = "") -> list[Route]:
    """One route for each path, for a router that is mounted at the beginning of all these paths."""
    by_path: dict[str, dict[str, _Handler]] = {}
    for endpoint in endpoints:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = _handler(endpoint, api, run_answers)
    return [
        Route(path.removeprefix(mounted_at), _by_method(handlers), methods=[*handlers])
        for path, handlers in by_path.items()
    ]


def _handler(endpoint: Endpoint, api: Api, run_answers: RunAnswers) -> _Handler:
    is_async = inspect.iscoroutinefunction(endpoint.function)

    async def handle(request: Request) -> Response:
        if endpoint.method != "GET" and not endpoint.public:
            api.check_may_write(request, endpoint)
        asked = read_parameters(endpoint.parameters, request)
        if endpoint.about_runs:
            return await run_in_threadpool(run_answers.answer, endpoint, asked, request)
        if is_async:
            response: Response = await endpoint.function(asked, api, request)
            return response
        body = [] if endpoint.body is None else [await read_options(request)]
        return await run_in_threadpool(_answer, endpoint, asked, api, *body)

    return handle


def _answer(endpoint: Endpoint, *arguments: Any) -> Response:
    content = endpoint.function(*arguments)
    return Response(status_code=endpoint.status) if content is None else json_answer(content, endpoint.status)


def _by_method(handlers: Mapping[str, _Handler]) -> _Handler:
    async def handle(request: Request) -> Response:
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return handle
