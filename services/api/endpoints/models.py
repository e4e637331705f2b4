"""The endpoints that ask runs' models: what fires in a text or in a row, and what a feature does and fires on.

They take requests from everybody who may read, but not from other sites' pages, and only so many of each client.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, cast

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.api.endpoint_context import Api
from services.api.endpoints.rows import RowParameters
from services.api.endpoints.shared_answers_about_texts import encoded_answer
from services.api.endpoints.shared_parameters import check_feature_id
from services.api.http.caching import OneRun
from services.api.http.endpoint_declaration import Endpoints
from services.api.http.json_answers import json_answer
from services.api.http.json_bodies import read_body_of, read_no_body
from services.api.http.parameters import AnyInteger, Count, Parameters, whole
from services.api.http.part_streams import MEDIA_TYPE, ClientLeftError, PartsResponse, unless_gone
from services.api.http.write_requests import check_says_json
from services.api.models.asking import PATIENCE_S, Asked
from services.api.models.client_limits import client_of
from services.api.response_types.models import (
    EffectsPart,
    Encoded,
    GraphPart,
    ModelsState,
    SteeringPart,
    TextToEncode,
    TextToSteer,
)
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.questions.answer_types import EncodedText, Part, is_last
from sparse_autoencoder.questions.question_types import (
    MOST_CHARACTERS,
    MOST_TOKENS,
    AblateFeature,
    EncodeRow,
    EncodeText,
    ExplainByGraph,
    Question,
    Steer,
    Wanted,
)
from sparse_autoencoder.reading.run_view import RunView

_ASKING = (400, 403, 404, 409, 429, 503, 504)
_SENDING = (*_ASKING, 408, 415)
_MOST_BODY_BYTES = 12 * MOST_CHARACTERS + 4096  # a character may take two escapes of six bytes

endpoints = Endpoints()


class ModelOfFeature(OneRun):
    """A feature of a run."""

    feature_id: AnyInteger = Field(description="The feature.", examples=[12])


class Stretch(RowParameters):
    """A stretch of a row's tokens."""

    first: Count = Field(0, alias="from", description="The token to begin with, from 0.")
    num_tokens: Annotated[int, whole(1, MOST_TOKENS)] = Field(MOST_TOKENS, alias="tokens", description="At most.")


@endpoints.declare("GET", "/api/models", answer=ModelsState)
async def models(_asked: Parameters, api: Api, _request: Request) -> Response:
    """Whether runs' models can be asked here, and why not."""
    try:
        why_not = await api.models.why_not()
    except SaescopeError as error:
        why_not = str(error)
    answer: ModelsState = {"can_ask": why_not is None, "why_not": why_not}
    return json_answer(answer, headers={"Cache-Control": "no-store"})


@endpoints.declare("POST", "/api/encode", answer=Encoded, problems=_SENDING, body=TextToEncode, public=True)
async def encode(asked: OneRun, api: Api, request: Request) -> Response:
    """Which features fire at each token of a text, in the windows and the precision of the run."""
    check_says_json(request)
    run = await run_in_threadpool(api.library.asked, asked.run)
    text = await read_body_of(request, TextToEncode, _MOST_BODY_BYTES)
    return await _encoded(api, request, run, EncodeText(text=text.text), None)


@endpoints.declare("GET", "/api/prompts/{row_id}/activations", answer=Encoded, problems=_ASKING)
async def activations(asked: Stretch, api: Api, request: Request) -> Response:
    """All features that fire at each token of a stretch of a row, whatever the run kept of it."""
    run = await run_in_threadpool(api.library.asked, asked.run)
    wanted = EncodeRow(row_id=asked.row_id, first=asked.first, num_tokens=asked.num_tokens)
    return await _encoded(api, request, run, wanted, asked.row_id)


@endpoints.declare("POST", "/api/effects", answer=EffectsPart, media_type=MEDIA_TYPE, problems=_SENDING, public=True)
async def effects(asked: ModelOfFeature, api: Api, request: Request) -> Response:
    """What a feature's activations in its shown examples do to later predictions, example by example."""
    check_says_json(request)
    await read_no_body(request)
    run = await run_in_threadpool(api.library.asked, asked.run)
    return await _parts(api, request, run, AblateFeature(feature_id=check_feature_id(asked.feature_id, run)))


@endpoints.declare(
    "POST", "/api/steer", answer=SteeringPart, media_type=MEDIA_TYPE, problems=_SENDING, body=TextToSteer, public=True
)
async def steer(asked: OneRun, api: Api, request: Request) -> Response:
    """A prompt continued with a feature turned up or down, and without, token by token."""
    check_says_json(request)
    run = await run_in_threadpool(api.library.asked, asked.run)
    wanted = await read_body_of(request, TextToSteer, _MOST_BODY_BYTES)
    check_feature_id(wanted.feature_id, run)
    return await _parts(api, request, run, Steer(**wanted.model_dump()))


@endpoints.declare("POST", "/api/graph", answer=GraphPart, media_type=MEDIA_TYPE, problems=_SENDING, public=True)
async def graph(asked: ModelOfFeature, api: Api, request: Request) -> Response:
    """Which patterns of tokens a feature fires on, and how well they predict it."""
    check_says_json(request)
    await read_no_body(request)
    run = await run_in_threadpool(api.library.asked, asked.run)
    return await _parts(api, request, run, ExplainByGraph(feature_id=check_feature_id(asked.feature_id, run)))


# -- asking ------------------------------------------------------------------------------------------------------------


async def _encoded(api: Api, request: Request, run: RunView, wanted: Wanted, row_id: int | None) -> Response:
    asked, done = await _asked(api, request, run, wanted)
    try:
        result = await unless_gone(request, _result(asked))
    except ClientLeftError:
        return Response(status_code=503)  # nobody hears it
    finally:
        done()
    answer = await run_in_threadpool(encoded_answer, cast("EncodedText", result), run, row_id)
    return json_answer(answer, headers={"Cache-Control": "no-store"})


async def _parts(api: Api, request: Request, run: RunView, wanted: Wanted) -> Response:
    """The parts of an answer as they come; a problem that comes first has the status that it is."""
    asked, done = await _asked(api, request, run, wanted)
    try:
        first = await unless_gone(request, asked.next())
        _raise_if_problem(first)
    except BaseException as error:
        done()
        if isinstance(error, ClientLeftError):
            return Response(status_code=503)  # nobody hears it
        raise
    return PartsResponse(_from(first, asked), done)


async def _asked(api: Api, request: Request, run: RunView, wanted: Wanted) -> tuple[Asked, Callable[[], None]]:
    """The question as it was asked, and what is to be called when nobody waits for its answer any more."""
    _refuse_other_sites(request, api.access.origins)
    leave = api.limits.enter(client_of(request))
    try:
        question = Question(run_id=run.metadata.run_id, wanted=wanted)
        asked = await api.models.ask(question, PATIENCE_S[wanted.kind])
    except BaseException:
        leave()
        raise
    asked.at_leaving(leave)
    return asked, asked.leave


async def _result(asked: Asked) -> dict[str, Any]:
    while "result" not in (part := await asked.next()):
        _raise_if_problem(part)
    return part["result"]


async def _from(first: Part, asked: Asked) -> AsyncIterator[Part]:
    part = first
    yield part
    while not is_last(part):
        part = await asked.next()
        yield part


def _raise_if_problem(part: Part) -> None:
    if "problem" in part:
        raise HTTPException(part["problem"]["status"], part["problem"]["error"])


def _refuse_other_sites(request: Request, origins: tuple[str, ...]) -> None:
    """HTTPException 403 for a page of another site that may not read: it would only make this machine compute."""
    crosses = request.headers.get("Sec-Fetch-Site") == "cross-site"
    if crosses and "*" not in origins and request.headers.get("Origin") not in origins:
        raise HTTPException(403, "pages of other sites can't ask the models, unless they are allowed to read")
