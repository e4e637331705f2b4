"""The endpoints about runs as such: list, one, start, cancel, resume, retry, delete, events, and what can be chosen.

Without services behind the API runs can only be looked at, and whatever would change one is answered with 405.
"""

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from services.api.endpoint_context import Api
from services.api.http import run_event_stream as event_stream
from services.api.http.endpoint_declaration import Endpoints
from services.api.http.parameters import Parameters
from services.api.response_types.provenance import Provenance
from services.api.response_types.runs import Options, Run, RunList, Started
from services.api.runs import offered_options
from services.api.runs.provenance import provenance_of
from sparse_autoencoder.runs.run_options import RunOptions

_CHANGE = (400, 401, 403, 404, 405, 415, 503)

endpoints = Endpoints()


class RunId(Parameters):
    """A run."""

    id: str = Field(description="The run's id.")


@endpoints.declare("GET", "/api/options")
def options(_asked: Parameters, api: Api) -> Options:
    """What can be chosen for a run."""
    if api.run_changes is None:
        return {"options": offered_options.options(), "can_start": False, "data_files": []}
    backend = api.run_changes.backend
    return {
        "options": offered_options.options(),
        "can_start": True,
        "data_files": offered_options.data_files(backend.data_folder),
        "needs_token": api.access.token is not None,
    }


@endpoints.declare("GET", "/api/runs", problems=(400, 503))
def runs(_asked: Parameters, api: Api) -> RunList:
    """All runs, newest first."""
    return {"runs": api.entries.all()}


@endpoints.declare("POST", "/api/runs", body=RunOptions, status=201, problems=(400, 401, 403, 405, 415, 503))
def start(_asked: Parameters, api: Api, wanted: RunOptions) -> Started:
    """Start a run with these options; those left out have their defaults."""
    return {"id": api.changes.start(wanted), "status": "queued"}


@endpoints.declare("GET", "/api/runs/{id}", problems=(400, 404, 503))
def one_run(asked: RunId, api: Api) -> Run:
    """A run."""
    return api.entries.one(asked.id)


@endpoints.declare("GET", "/api/runs/{id}/provenance", problems=(400, 404, 503))
def provenance(asked: RunId, api: Api) -> Provenance:
    """What a run was made of: files and their hashes, versions, and the command that makes the same run."""
    return provenance_of(api.entries.files.one(asked.id), api.store)


@endpoints.declare("DELETE", "/api/runs/{id}", status=204, problems=_CHANGE)
def delete(asked: RunId, api: Api) -> None:
    """Remove a run."""
    api.changes.delete(asked.id)


@endpoints.declare("POST", "/api/runs/{id}/cancel", problems=(*_CHANGE, 409))
def cancel(asked: RunId, api: Api) -> Run:
    """Have nobody work on a run any more; the run."""
    return api.changes.cancel(asked.id)


@endpoints.declare("POST", "/api/runs/{id}/resume", problems=(*_CHANGE, 409))
def resume(asked: RunId, api: Api) -> Run:
    """Go on with a run that was cancelled or failed; the run."""
    return api.changes.resume(asked.id)


@endpoints.declare("POST", "/api/runs/{id}/retry", problems=(*_CHANGE, 409))
def retry(asked: RunId, api: Api) -> Run:
    """Try the failed chunks of a finished run again, and compute what comes after `retry_from` again; the run."""
    return api.changes.retry(asked.id)


@endpoints.declare(
    "GET", "/api/runs/{id}/events", answer=Run, media_type=event_stream.MEDIA_TYPE, problems=(400, 404, 503)
)
async def events(asked: RunId, api: Api, request: Request) -> Response:
    """The run whenever it changes, about once a second, as server-sent events: `progress`, and `end` at last."""
    if request.method == "HEAD":
        await run_in_threadpool(api.entries.one, asked.id)
        return Response(headers=event_stream.HEADERS, media_type=event_stream.MEDIA_TYPE)
    stream = await api.events.open(asked.id)
    return StreamingResponse(stream, headers=event_stream.HEADERS, media_type=event_stream.MEDIA_TYPE)
