"""Answers that come in parts, as JSON Lines, and waiting for an answer only as long as the client does.

Each line is one part (sparse_autoencoder/questions/answer_types.py), sent as it comes.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from sparse_autoencoder.questions.answer_types import Part

MEDIA_TYPE = "application/x-ndjson"
# The second is nginx's. What says that it isn't compressed isn't compressed here either, as that would hold parts back.
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Content-Encoding": "identity"}
T = TypeVar("T")


class ClientLeftError(Exception):
    """The client went away before it had its answer."""


class PartsResponse(StreamingResponse):
    """Parts as lines; `at_end` is called when the last is sent, or the client has gone."""

    def __init__(self, parts: AsyncIterator[Part], at_end: Callable[[], object]) -> None:
        super().__init__(_lines(parts), headers=_HEADERS, media_type=MEDIA_TYPE)
        self._at_end = at_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._at_end()


async def _lines(parts: AsyncIterator[Part]) -> AsyncIterator[bytes]:
    async for part in parts:
        yield json.dumps(part, allow_nan=False, separators=(",", ":")).encode() + b"\n"


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives; ClientLeftError, and it is cancelled, if the client goes away. Read the body before."""
    working = asyncio.ensure_future(work)
    going = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({working, going}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientLeftError
        return working.result()
    finally:
        for task in (working, going):
            task.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
