"""The endpoints about the API itself: its description, whether it and what it needs answer, and its metrics."""

from contextlib import suppress

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from services.api.endpoint_context import Api
from services.api.http.endpoint_declaration import Endpoints
from services.api.http.parameters import Parameters
from services.api.response_types.health import Health, Ready
from sparse_autoencoder.runs.store import NotFoundError

endpoints = Endpoints()


@endpoints.declare("GET", "/api/openapi.json")
def description(_asked: Parameters, api: Api) -> dict[str, object]:
    """This description, as OpenAPI 3.1."""
    from services.api.http.openapi import openapi  # seldom needed

    return openapi(api.endpoints)


@endpoints.declare("GET", "/healthz")
def health(_asked: Parameters, _api: Api) -> Health:
    """The process answers."""
    return {"status": "ok"}


@endpoints.declare("GET", "/readyz", problems=(400, 503))
def ready(_asked: Parameters, api: Api) -> Ready:
    """The store and, with services, Redis answer."""
    with suppress(NotFoundError):  # which is an answer
        api.store.size("readyz")
    if api.run_changes is not None:
        api.run_changes.backend.deps.leases.held("readyz")
    return {"status": "ready"}


@endpoints.declare("GET", "/metrics", answer=str, media_type="text/plain")
async def metrics(_asked: Parameters, _api: Api, _request: Request) -> Response:
    """With services: figures in Prometheus's text format."""
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    return Response(await run_in_threadpool(generate_latest), headers={"Content-Type": CONTENT_TYPE_LATEST})
