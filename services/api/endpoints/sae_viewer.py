"""What OpenAI's viewer asks, in its own forms and at its own paths, so that its pages show our runs as they are.

On a page at localhost it sends the file's address in the public container to `/load_az` at port 8000; elsewhere it gets
`…/sparse-autoencoder/viewer/SUBJECT/FAMILY/LAYER/LOCATION/atoms/FEATURE.json`, and `FEATURE-ablated.json` for effects
(interpAPI.ts of sae-viewer in github.com/openai/sparse_autoencoder). Whatever isn't a 200 it takes for a file that
isn't there. Which run is meant follows from the place: the newest one that has it, a finished one if there is one.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from services.api.endpoint_context import Api
from services.api.http.access import LOAD_AZ_PATH, VIEWER_PATHS
from services.api.http.caching import unless_known
from services.api.http.endpoint_declaration import Endpoints
from services.api.http.json_answers import BadRequest, json_answer
from services.api.http.parameters import Parameters
from services.api.http.write_requests import check_says_json, read_json
from sparse_autoencoder.exports.sae_viewer_atoms import Atom, atom
from sparse_autoencoder.exports.sae_viewer_places import asked_in, place_of
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.runs.metadata import PUBLISHED
from sparse_autoencoder.runs.store import NotFoundError
from sparse_autoencoder.utils.printable import printable

_CONTAINER = "az://openaipublic"
_EXAMPLE = f"{_CONTAINER}{VIEWER_PATHS}gpt2-small/v5_32k/layer_6/resid_post_mlp/atoms/12.json"

endpoints = Endpoints()


class AtomFile(Parameters):
    """A feature's file."""

    subject: str = Field(description="The model, as gpt2-small.", examples=["gpt2-small"])
    family: str = Field(description="The family of autoencoders, as v5_32k.", examples=["v5_32k"])
    layer: str = Field(description="The layer, as layer_6.", examples=["layer_6"])
    location: str = Field(description="The location, as resid_post_mlp.", examples=["resid_post_mlp"])
    file: str = Field(description="The feature, as 12.json; with effects 12-ablated.json.", examples=["12.json"])


class LoadAz(BaseModel):
    """The address of a feature's file in OpenAI's public container."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(examples=[_EXAMPLE])


@endpoints.declare(
    "GET",
    f"{VIEWER_PATHS}{{subject}}/{{family}}/{{layer}}/{{location}}/atoms/{{file}}",
    answer=Atom,
    problems=(400, 404, 503),
    has_tag=True,
)
async def atom_file(asked: AtomFile, api: Api, request: Request) -> Response:
    """A feature as OpenAI's viewer reads it, of the newest run of that autoencoder."""
    path = f"{asked.subject}/{asked.family}/{asked.layer}/{asked.location}/atoms/{asked.file}"
    content = await run_in_threadpool(_content, api.library, path)
    return unless_known(request, json_answer(content))


@endpoints.declare("POST", LOAD_AZ_PATH, answer=Atom, problems=(400, 404, 408, 415, 503), body=LoadAz, public=True)
async def load_az(_asked: Parameters, api: Api, request: Request) -> Response:
    """The same, asked by the file's address in OpenAI's public container, as its viewer does on a page at localhost."""
    check_says_json(request)
    content = await read_json(request)
    address = content.get("path") if isinstance(content, dict) else None
    if not isinstance(address, str) or not address.startswith(f"{_CONTAINER}{VIEWER_PATHS}"):
        raise BadRequest(f'the body must be {{"path": ADDRESS}} with an address as {_EXAMPLE}')
    path = address.removeprefix(f"{_CONTAINER}{VIEWER_PATHS}")
    return json_answer(await run_in_threadpool(_content, api.library, path))


def _content(library: RunLibrary, path: str) -> Atom:
    """The content of a file of OpenAI's viewer, by its path there; NotFoundError if no run has it."""
    asked = asked_in(path)
    if asked is None:
        raise NotFoundError(f"there is no file {printable(path)}: the viewer asks for SUBJECT/…/atoms/FEATURE.json")
    place, feature_id, ablated = asked
    run = _run_at(library, place)
    run_id, num_features = run.metadata.run_id, run.metadata.num_features
    if feature_id >= num_features:
        raise NotFoundError(f"there is no feature {feature_id}: run {run_id} has the features 0 to {num_features - 1}")
    return atom(run, feature_id, run.effects(feature_id) if ablated else None)


def _run_at(library: RunLibrary, place: str) -> RunView:
    """The newest run at a place of the viewer, a finished one if there is one; NotFoundError if there is none."""
    there = [metadata for metadata in library.all() if place_of(metadata) == place]
    if not there:
        raise NotFoundError(f"no run has its features at {place}: compute one with that model and autoencoder")
    finished = (metadata for metadata in there if metadata.status in PUBLISHED)
    return library.open(next(finished, there[0]).run_id)
