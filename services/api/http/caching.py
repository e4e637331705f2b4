"""Answers about runs: those about finished runs stay in memory and have an ETag; others may be kept by nobody.

The ETag is a hash of the answer. So it says something else when a run is deleted and made again under the same id, and
when a later version of this API says more; and whatever it confirms is what would be answered. This file doesn't know
what the answers say.
"""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from cachetools import LRUCache
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from services.api.http.answers import json_answer
from services.api.http.endpoints import RUN, RUN_A, RUN_B, Endpoint
from services.api.http.parameters import Asked
from services.api.http.routing import Handler
from sparse_autoencoder.reading.run_library import RunLibrary
from sparse_autoencoder.reading.run_view import RunView

RunAnswer = Callable[..., Mapping[str, object]]  # of what was asked, and of the runs that it is about
_KEPT_BYTES = 16 << 20
_OVERHEAD_BYTES = 1 << 10  # of an answer that stays in memory, besides itself


@dataclass(frozen=True)
class _Kept:
    """An answer that can't change; `tag` is its ETag (RFC 9110, section 8.8.3)."""

    body: bytes
    tag: str


class RunAnswers:
    """Opens the runs that are asked about, and keeps what was answered last about finished ones."""

    def __init__(self, library: RunLibrary) -> None:
        self._library = library
        self._lock = threading.Lock()
        self._answers: LRUCache[Hashable, _Kept] = LRUCache(_KEPT_BYTES, getsizeof=_num_bytes)

    def handlers(self, answers: Mapping[Endpoint, RunAnswer]) -> dict[Endpoint, Handler]:
        """Handlers of endpoints out of what they answer about the runs that their parameters name."""
        return {endpoint: self._handler(endpoint, answer) for endpoint, answer in answers.items()}

    def _handler(self, endpoint: Endpoint, answer: RunAnswer) -> Handler:
        async def handle(asked: Asked) -> Response:
            return await run_in_threadpool(self._answered, endpoint, answer, asked)

        return handle

    def _answered(self, endpoint: Endpoint, answer: RunAnswer, asked: Asked) -> Response:
        runs = self._runs(endpoint, asked)
        if any(run.live for run in runs):
            return json_answer(answer(asked, *runs), headers={"Cache-Control": "no-store"})
        # a run that was made again is another object; weak, so that runs nobody asks about go
        key = (endpoint, asked.values, *map(weakref.ref, runs))
        with self._lock:
            kept = self._answers.get(key)
        if kept is None:
            body = bytes(json_answer(answer(asked, *runs)).body)
            kept = _Kept(body, f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"')
            with self._lock, suppress(ValueError):  # an answer larger than the whole cache isn't kept
                self._answers[key] = kept
        return _response(asked.request, kept)

    def _runs(self, endpoint: Endpoint, asked: Asked) -> list[RunView]:
        if RUN in endpoint.parameters:
            return [self._library.asked(asked[RUN])]
        return [self._library.open(asked[RUN_A]), self._library.open(asked[RUN_B])]


def _num_bytes(kept: _Kept) -> int:
    return len(kept.body) + _OVERHEAD_BYTES


def _response(request: Request, kept: _Kept) -> Response:
    """The answer, to be asked for again each time; status 304 if the client has it already."""
    headers = {"ETag": kept.tag, "Cache-Control": "no-cache"}
    if _has(request, kept.tag):
        return Response(status_code=304, headers=headers)
    return Response(kept.body, headers=headers, media_type="application/json")


def _has(request: Request, tag: str) -> bool:
    """Whether If-None-Match names this tag, be it marked as weak, as proxies that compress do (RFC 9110, 13.1.2)."""
    named = ",".join(request.headers.getlist("If-None-Match")).split(",")
    return any(name.strip().removeprefix("W/") in (tag, "*") for name in named)
