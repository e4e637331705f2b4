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
from services.api.http.parameters import Flag, Parameters
from services.api.http.table_answers import AsTable, table_of
from services.api.runs.run_labels import RunLabels
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.reading.run_view import RunView

_KEPT_BYTES = 48 << 20
_OVERHEAD_BYTES = 1 << 10  # of an answer that stays in memory, besides itself


class OneRun(Parameters):
    """Parameters of an answer about a run."""

    run: str | None = Field(None, description="The run's id; the newest run that has something to show if left out.")


class OfLabelled(OneRun):
    """Parameters of an answer about a run's features, or about those that people said something of."""

    labelled: Flag = Field(False, description="Only features that have a label.")
    starred: Flag = Field(False, description="Only features that have a star.")


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

    def __init__(self, library: RunLibrary, labels: RunLabels) -> None:
        self._library = library
        self._labels = labels
        self._lock = threading.Lock()
        self._answers: LRUCache[Hashable, _Kept] = LRUCache(_KEPT_BYTES, getsizeof=_num_bytes)

    def answer(self, endpoint: Endpoint, asked: Parameters, request: Request) -> Response:
        """What an endpoint's function says of these runs, from memory if possible; may block.

        It gets the parameters, the runs, and the features if only those that have a label or a star are wanted.
        """
        runs, function = self._runs(asked), endpoint.function
        chosen: tuple[tuple[int, ...], ...] = ()
        if isinstance(asked, OfLabelled) and (asked.labelled or asked.starred):
            book = self._labels.of(runs[0]).log.read()
            chosen = (book.ids(labelled=asked.labelled, starred=asked.starred),)
        if any(run.live for run in runs):
            response = _made(endpoint, asked, *runs, *chosen)
            response.headers["Cache-Control"] = "no-store"
            return response
        # a run that was made again is another object; weak, so that runs nobody asks about go
        key = (function, asked, *map(weakref.ref, runs), *chosen)
        with self._lock:
            kept = self._answers.get(key)
        if kept is None:
            kept = _kept(_made(endpoint, asked, *runs, *chosen))
            with self._lock, suppress(ValueError):  # an answer larger than the whole cache isn't kept
                self._answers[key] = kept
        return _response(request, kept)

    def _runs(self, asked: Parameters) -> list[RunView]:
        if isinstance(asked, TwoRuns):
            return [self._library.open(asked.a), self._library.open(asked.b)]
        assert isinstance(asked, OneRun)  # noqa: S101
        return [self._library.asked(asked.run)]


def unless_known(request: Request, response: Response) -> Response:
    """An answer that may change, with its ETag; status 304 if the client has it already."""
    return _response(request, _kept(response))


def _made(endpoint: Endpoint, asked: Parameters, *about: object) -> Response:
    """The answer, as JSON or as the table that is asked for."""
    if endpoint.table is None or not isinstance(asked, AsTable) or asked.format == "json":
        return json_answer(endpoint.function(asked, *about))
    table = table_of(endpoint.function, asked, about, endpoint.table)
    saved_as = {"Content-Disposition": f'attachment; filename="{table.file_name}"'}
    return Response(table.body, headers=saved_as, media_type=table.media_type)


def _kept(response: Response) -> _Kept:
    body = bytes(response.body)
    tag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    headers = {name: response.headers[name] for name in ("Content-Disposition",) if name in response.headers}
    return _Kept(body, tag, response.headers["Content-Type"], headers)


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
