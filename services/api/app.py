"""The Starlette application: every endpoint of `endpoints/`, and the built viewer at `/`.

Whatever is asked, the answer is JSON with the right status; wrong input is never a 500.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute, Mount, Router

from services.api.endpoint_context import Api
from services.api.endpoints import (
    compare,
    features,
    health,
    labels,
    models,
    one_feature,
    row_firings,
    rows,
    rows_found,
    runs,
    session,
    together,
)
from services.api.http.access import Access, AccessCheck
from services.api.http.caching import RunAnswers
from services.api.http.json_answers import ERRORS
from services.api.http.routing import routes
from services.api.http.run_event_stream import RunEvents
from services.api.http.url_prefix import WithoutPrefix
from services.api.http.viewer_files import ViewerFiles
from services.api.models.asking import AskModels, NoModels
from services.api.models.client_limits import ClientLimits
from services.api.runs.run_changes import RunChanges
from services.api.runs.run_entries import Backend, RunEntries
from services.api.runs.run_labels import RunLabels
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.runs.store import Store

ENDPOINTS = (
    *features.endpoints,
    *one_feature.endpoints,
    *rows_found.endpoints,  # before the rows, whose numbers would be these words
    *rows.endpoints,
    *row_firings.endpoints,
    *together.endpoints,
    *compare.endpoints,
    *labels.endpoints,
    *models.endpoints,
    *runs.endpoints,
    *session.endpoints,
    *health.endpoints,
)
_NEEDS_SERVICES = "/metrics"
_LEAST_COMPRESSED_BYTES = 1 << 10
_COMPRESSION_LEVEL = 4  # level 9 takes three times as long for 2 % less


def create_app(
    store: Store,
    viewer: Path | None = None,
    backend: Backend | None = None,
    access: Access | None = None,
    root_path: str = "",
    models: AskModels | None = None,
) -> Starlette:
    """The application on a store of runs.

    `viewer` is the folder of the built viewer. With a `backend`, whose store this is, runs can be started and changed:
    `app.state.run_changes` does that. `app.state.events` are the event streams, which whoever stops the server closes
    first, as it waits for them to end; so are the `models`, which can be asked about the runs (`app.state.models`).
    `access` says who may read and change, `root_path` under which prefix a proxy shows all this.
    """
    asked_models = models or NoModels()
    access = access or Access()
    library = RunLibrary(store)
    entries = RunEntries(store, library, backend)
    events = RunEvents(entries.one)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        events.close()
        await asked_models.close()

    changes = None if backend is None else RunChanges(backend, entries)
    run_labels = RunLabels(store, library)
    limits = ClientLimits()
    api = Api(store, entries, events, changes, run_labels, access, root_path, ENDPOINTS, library, asked_models, limits)
    answers = RunAnswers(library, run_labels)
    present = [endpoint for endpoint in ENDPOINTS if changes is not None or endpoint.path != _NEEDS_SERVICES]
    below_api = [endpoint for endpoint in present if endpoint.path.startswith("/api/")]
    # A router of its own: what it doesn't have is a 404 and what it can't do a 405, and never the viewer's page.
    api_router = Router(routes(below_api, api, answers, mounted_at="/api"), redirect_slashes=False)
    others = [endpoint for endpoint in present if endpoint not in below_api]
    all_routes: list[BaseRoute] = [*routes(others, api, answers), Mount("/api", api_router)]
    if viewer is not None:
        all_routes.append(Mount("/", ViewerFiles(viewer, access.origins)))
    app = Starlette(
        routes=all_routes,
        middleware=[
            Middleware(WithoutPrefix, prefix=root_path),
            *_for_other_sites(access),
            Middleware(AccessCheck, access=access),
            Middleware(GZipMiddleware, minimum_size=_LEAST_COMPRESSED_BYTES, compresslevel=_COMPRESSION_LEVEL),
        ],
        exception_handlers=ERRORS,
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.events, app.state.run_changes, app.state.models = events, changes, asked_models
    return app


def _for_other_sites(access: Access) -> list[Middleware]:
    """The permission for other sites' pages to read, if some of them have it."""
    if not access.origins:
        return []
    credentials = access.guards_reading and "*" not in access.origins
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=list(access.origins),
            allow_methods=["GET"],
            allow_headers=["Authorization"],
            allow_credentials=credentials,
        )
    ]
