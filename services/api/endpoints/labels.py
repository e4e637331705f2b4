"""The endpoints about what people say of features: labels, notes and stars, kept by the autoencoder's SHA-256.

They work without services too: labels are kept in the store, beside the runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from services.api.endpoint_context import Api
from services.api.endpoints.shared_parameters import check_feature_id
from services.api.http.caching import OneRun, unless_known
from services.api.http.endpoint_declaration import Endpoints
from services.api.http.json_answers import BadRequest, json_answer
from services.api.http.parameters import AnyInteger, Flag
from services.api.http.write_requests import read_body, read_json
from services.api.response_types.labels import ImportedLabels, Label, LabelChange, LabelLine, LabelList
from services.api.runs.run_labels import LabelsOfRun, label_of, what_became
from sparse_autoencoder.runs.label_entries import Book, change_of
from sparse_autoencoder.runs.label_lines import Imported, exported, imported
from sparse_autoencoder.runs.label_log import ANY_TIME
from sparse_autoencoder.utils.did_you_mean import did_you_mean

LINES = "application/x-ndjson"
_MOST_IMPORTED_BYTES = 16 << 20
_REMOVE = (400, 401, 403, 404, 415, 503)
_CHANGE = (*_REMOVE, 408)

endpoints = Endpoints()


class OfOneFeature(OneRun):
    """A feature of a run."""

    feature_id: AnyInteger = Field(description="The feature.")


class Import(OneRun):
    """How lines are taken over."""

    replace: Flag = Field(False, description="Whether they replace what is said already.")
    dry_run: Flag = Field(False, description="Whether nothing is changed, and the answer is what would be.")


@endpoints.declare("GET", "/api/labels", answer=LabelList, problems=(400, 404, 503), has_tag=True)
async def labels(asked: OneRun, api: Api, request: Request) -> Response:
    """All that is said of the features of a run's autoencoder."""

    def read() -> tuple[LabelsOfRun, Book]:
        found = api.labels.asked(asked.run)
        return found, found.log.read()

    found, book = await run_in_threadpool(read)
    run_id = found.run.metadata.run_id
    answer: LabelList = {
        "run": run_id,
        "sha256": found.log.sha256,
        "needs_token": api.access.token is not None,
        "labels": [label_of(entry) for entry in book.present],
    }
    return unless_known(request, json_answer(answer))


@endpoints.declare("GET", "/api/labels/export", answer=LabelLine, media_type=LINES, problems=(400, 404, 503))
async def export(asked: OneRun, api: Api, _request: Request) -> Response:
    """The same as JSON Lines, a feature a line."""
    lines = await run_in_threadpool(lambda: "".join(exported(api.labels.asked(asked.run).log)))
    return Response(
        lines.encode(), media_type=LINES, headers={"Content-Disposition": 'attachment; filename="labels.jsonl"'}
    )


@endpoints.declare(
    "POST", "/api/labels/import", answer=ImportedLabels, problems=_CHANGE, takes=LINES, without_services=True
)
async def take_over(asked: Import, api: Api, request: Request) -> Response:
    """Take over labels from JSON Lines, of this export or of Neuronpedia's; how many, and why not the others."""
    body = await read_body(request, _MOST_IMPORTED_BYTES, "send fewer lines at once")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise BadRequest("the lines are not UTF-8") from error

    def take() -> Imported:
        found = api.labels.asked(asked.run)
        num_features = found.run.metadata.num_features
        return imported(found.log, text, num_features, replace=asked.replace, dry_run=asked.dry_run)

    return json_answer(what_became(await run_in_threadpool(take)))


@endpoints.declare("GET", "/api/labels/{feature_id}", problems=(400, 404, 503))
def label(asked: OfOneFeature, api: Api) -> Label:
    """What is said of a feature; its fields are null if nothing is."""
    found = api.labels.asked(asked.run)
    return label_of(found.log.read().of(check_feature_id(asked.feature_id, found.run)))


@endpoints.declare(
    "PUT",
    "/api/labels/{feature_id}",
    answer=Label,
    problems=(*_CHANGE, 409),
    body=LabelChange,
    without_services=True,
)
async def put(asked: OfOneFeature, api: Api, request: Request) -> Response:
    """Say something of a feature; what is said then. Refused, with what is said now, if somebody was quicker."""
    content = _checked(await read_json(request))

    def write() -> Label:
        found = api.labels.asked(asked.run)
        change = change_of(check_feature_id(asked.feature_id, found.run), content)
        if_updated_at = content.get("if_updated_at", ANY_TIME)
        return label_of(found.log.write([change], if_updated_at=if_updated_at).of(change.feature_id))

    return json_answer(await run_in_threadpool(write))


@endpoints.declare("DELETE", "/api/labels/{feature_id}", status=204, problems=_REMOVE, without_services=True)
def delete(asked: OfOneFeature, api: Api) -> None:
    """Say nothing of a feature any more: no label, no note, no star."""
    found = api.labels.asked(asked.run)
    feature_id = check_feature_id(asked.feature_id, found.run)
    found.log.write([change_of(feature_id, {"label": None, "note": None, "starred": False})])


def _checked(content: Any) -> Mapping[str, Any]:
    known = list(LabelChange.model_fields)
    if not isinstance(content, dict):
        raise BadRequest(f"the body must be a JSON object of {', '.join(known)}")
    for name in content:
        if name not in known:
            raise BadRequest(f"there is no field {name[:40]!r}; {did_you_mean(name[:40], known)}")
    if not isinstance(content.get("if_updated_at"), str | None):
        raise BadRequest("if_updated_at must be the updated_at of an answer, or null")
    return content
