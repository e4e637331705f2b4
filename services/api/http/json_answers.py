"""JSON answers, and the answers to what goes wrong: always `{"error": sentence}` with a fitting status."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from services.api.runs.run_changes import ConflictError
from services.api.runs.run_labels import label_of
from services.common.allowed_sources import NotAllowedError
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.label_entries import LabelError
from sparse_autoencoder.runs.label_log import LabelConflictError
from sparse_autoencoder.runs.store import NotFoundError


class BadRequest(HTTPException):
    """Status 400 with a sentence."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message)


def json_answer(content: Mapping[str, object], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer as JSON."""
    try:
        # ASCII: a lone surrogate in a text stays an escape instead of breaking the answer
        body = json.dumps(content, allow_nan=False, separators=(",", ":"))
    except ValueError as error:  # an infinite number, or none
        raise SaescopeError("a file of the run is damaged, it holds numbers that are none: run it again") from error
    return Response(body, status, headers, media_type="application/json")


def _status(status: int) -> ExceptionHandler:
    return lambda _request, error: json_answer({"error": str(error)}, status)


def _not_allowed(_request: Request, error: Exception) -> Response:
    assert isinstance(error, NotAllowedError)  # noqa: S101
    return json_answer({"error": str(error), "field": error.field}, 400)


def _label_conflict(_request: Request, error: Exception) -> Response:
    assert isinstance(error, LabelConflictError)  # noqa: S101
    return json_answer({"error": str(error), "label": label_of(error.entry)}, 409)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    detail = f"there is nothing at {request.url.path}" if error.detail == "Not Found" else error.detail
    return json_answer({"error": detail}, error.status_code, error.headers)


def _unexpected(_request: Request, error: Exception) -> Response:
    """Starlette raises the error again after this answer, so that the server logs it."""
    sentence = f"the API failed unexpectedly ({type(error).__name__}); its log has the details"
    return json_answer({"error": sentence}, 500)


ERRORS: Mapping[Any, ExceptionHandler] = {
    HTTPException: _http_error,
    NotAllowedError: _not_allowed,
    NotFoundError: _status(404),
    ConflictError: _status(409),
    LabelConflictError: _label_conflict,
    LabelError: _status(400),
    SaescopeError: _status(503),
    Exception: _unexpected,
}
