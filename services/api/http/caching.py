"""Answers about runs: those about finished runs stay in memory and have an ETag; the others may be kept by nobody.

The ETag is a hash of the answer. So it differs when a run is deleted and made again under the same id, and when a later
version of this API says more; and whatever it confirms is what would be answered.
"""

import hashlib
import threading
import weakref
from collections.abc import Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from cachetools import LRUCache
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from services.api.http.endpoint_declaration import Endpoint
from services.api.http.json_answers import json_answer
from services.api.http.parameters import Parameters
from services.api.http.table_answers import AsTable, table_of
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.reading.run_view import RunView

_KEPT_BYTES = 48 << 20
_OVERHEAD_BYTES = 1 << 10  # of an answer that stays in memory, besides itself


class OneRun(Parameters):
    """Parameters of an answer about a run."""

    run: str | None = Field(None, description="The run's id; the newest run that has something to show if left out.")


class TwoRuns(Parameters):
    """Parameters of an answer about two runs."""

    a: str = Field(description="The id of one run.", examples=["RUN"])
    b: str = Field(description="The id of the other run, with the same autoencoder.", examples=["RUN"])


@dataclass(frozen=True)
class _Kept:
    """An answer that can't change; `tag` is its ETag (RFC 9110, section 8.8.3)."""

    body: bytes
    tag: str
    media_type: str
    headers: Mapping[str, str]


class RunAnswers:
    """Opens the runs that are asked about, and keeps the last answers about finished ones in memory."""

    def __init__(self, library: RunLibrary) -> None:
        self._library = library
        self._lock = threading.Lock()
        self._answers: LRUCache[Hashable, _Kept] = LRUCache(_KEPT_BYTES, getsizeof=_num_bytes)

    def answer(self, endpoint: Endpoint, asked: Parameters, request: Request) -> Response:
        """What an endpoint's function says of these runs, from memory if possible; may block."""
        runs, function = self._runs(asked), endpoint.function
        if any(run.live for run in runs):
            response = _made(endpoint, asked, runs)
            response.headers["Cache-Control"] = "no-store"
            return response
        # a run that was made again is another object; weak, so that runs nobody asks about go
        key = (function, asked, *map(weakref.ref, runs))
        with self._lock:
            kept = self._answers.get(key)
        if kept is None:
            response = _made(endpoint, asked, runs)
            body = bytes(response.body)
            tag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
            kept = _Kept(body, tag, response.headers["Content-Type"], _named(response))
            with self._lock, suppress(ValueError):  # an answer larger than the whole cache isn't kept
                self._answers[key] = kept
        return _response(request, kept)

    def _runs(self, asked: Parameters) -> list[RunView]:
        if isinstance(asked, TwoRuns):
            return [self._library.open(asked.a), self._library.open(asked.b)]
        assert isinstance(asked, OneRun)  # noqa: S101
        return [self._library.asked(asked.run)]


def _made(endpoint: Endpoint, asked: Parameters, runs: list[RunView]) -> Response:
    """The answer, as JSON or as the table that is asked for."""
    if endpoint.table is None or not isinstance(asked, AsTable) or asked.format == "json":
        return json_answer(endpoint.function(asked, *runs))
    table = table_of(endpoint.function, asked, tuple(runs), endpoint.table)
    saved_as = {"Content-Disposition": f'attachment; filename="{table.file_name}"'}
    return Response(table.body, headers=saved_as, media_type=table.media_type)


def _named(response: Response) -> dict[str, str]:
    """The header that names a file, if the answer is one."""
    name = response.headers.get("Content-Disposition")
    return {} if name is None else {"Content-Disposition": name}


def _num_bytes(kept: _Kept) -> int:
    return len(kept.body) + _OVERHEAD_BYTES


def _response(request: Request, kept: _Kept) -> Response:
    """The answer, to be asked for again each time; status 304 if the client has it already."""
    headers = {"ETag": kept.tag, "Cache-Control": "no-cache"}
    if _has(request, kept.tag):
        return Response(status_code=304, headers=headers)
    return Response(kept.body, headers={**headers, **kept.headers}, media_type=kept.media_type)


def _has(request: Request, tag: str) -> bool:
    """Whether If-None-Match names this tag, be it marked as weak, as proxies that compress do (RFC 9110, 13.1.2)."""
    named = ",".join(request.headers.getlist("If-None-Match")).split(",")
    return any(name.strip().removeprefix("W/") in (tag, "*") for name in named)
