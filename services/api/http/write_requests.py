"""Requests that change something: whether they may, and the options of a run in their body."""

import asyncio
import json
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from services.api.http.access import CHALLENGE, NEEDS_TOKEN, Access
from services.api.http.json_answers import BadRequest
from services.common.allowed_sources import NotAllowedError
from sparse_autoencoder.run_flags import LARGEST_NUMBER
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.utils.did_you_mean import did_you_mean
from sparse_autoencoder.utils.printable import printable

MAX_BODY_BYTES = 64 << 10
BODY_TIMEOUT_S = 20.0
_SHOWN_CHARS = 60  # of a value in an error


JSON = "application/json"


def check_may_write(request: Request, access: Access, media_type: str = JSON) -> None:
    """HTTPException 401 without the token, if there is one, and 415 unless the request says it is of that type.

    A page of another site can send JSON, or JSON Lines, only with a permission that this API doesn't give.
    """
    if access.token is not None and not access.has_token(request.headers):
        raise HTTPException(401, NEEDS_TOKEN, CHALLENGE)
    check_says_json(request, media_type)


def check_says_json(request: Request, media_type: str = JSON) -> None:
    """HTTPException 415 unless the request says that its body is JSON, or of another type that forms can't have."""
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != media_type:
        raise HTTPException(415, f"send this with the header Content-Type: {media_type}")


async def read_options(request: Request) -> RunOptions:
    """The options in a request's body; BadRequest or NotAllowedError for whatever they can't be."""
    return options_of(await read_json(request))


async def read_json(request: Request, most: int = MAX_BODY_BYTES) -> Any:
    """A request's body, parsed; BadRequest or HTTPException 408 if it isn't JSON, too large, or takes too long."""
    return _json_of(await read_body(request, most, "what can be sent is a few lines"))


async def read_body(request: Request, most: int, advice: str) -> bytes:
    """A request's body; BadRequest or HTTPException 408 if it is larger than `most` bytes, or takes too long."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for part in request.stream():
                body += part
                if len(body) > most:
                    raise BadRequest(f"the body is larger than {most:,} bytes; {advice}")
    except ClientDisconnect as error:  # nobody hears this
        raise BadRequest("the body did not arrive whole") from error
    except TimeoutError as error:
        sentence = f"the body did not arrive within {BODY_TIMEOUT_S:g} seconds"
        raise HTTPException(408, sentence, {"Connection": "close"}) from error
    return bytes(body)


def _json_of(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON ({str(error)[:_SHOWN_CHARS]})") from error


def options_of(content: Any) -> RunOptions:
    """A run's options out of parsed JSON; BadRequest if it is no object, NotAllowedError names the field."""
    if not isinstance(content, dict):
        raise BadRequest("the body must be a JSON object of options; GET /api/options says which there are")
    for field, value in content.items():
        if not _is_text(field):
            raise BadRequest(f"there is no option {printable(field)!r}")
        if isinstance(value, int) and value > LARGEST_NUMBER:
            raise NotAllowedError(field, f"{field} must be at most {LARGEST_NUMBER}")
        if isinstance(value, str) and not _is_text(value):
            raise NotAllowedError(field, f"{field} has characters that no name has")
    try:
        return RunOptions.model_validate(content, strict=True)
    except ValidationError as error:
        raise _sentence(error.errors()[0]) from error


def _is_text(value: str) -> bool:
    """Whether it can be written as UTF-8 (lone surrogates can't) and has no NUL."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


_EXPECTED = {  # by pydantic's names of errors
    "int_type": "a whole number",
    "string_type": "text",
    "bool_type": "true or false",
    "string_pattern_mismatch": "relu, identity or topk:K",  # only the activation has a pattern
    "literal_error": "{expected}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "string_too_short": "a name of 1 to 100 characters",  # only the name has limits, and a rule of its own
    "string_too_long": "a name of 1 to 100 characters",
    "value_error": "a name in characters that are printed",
}


def _sentence(error: ErrorDetails) -> NotAllowedError:
    field = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        advice = did_you_mean(field, list(RunOptions.model_fields))
        return NotAllowedError(field, f"there is no option {field[:_SHOWN_CHARS]!r}; {advice}")
    template = _EXPECTED.get(error["type"])
    # pydantic's own messages are no templates: they may hold braces
    expected = error["msg"] if template is None else template.format(**error.get("ctx", {}))
    shown = json.dumps(error["input"])[:_SHOWN_CHARS]
    return NotAllowedError(field, f"{field} must be {expected}, not {shown}")
