"""JSON bodies that are pydantic models: checked, with a sentence about the first mistake."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from services.api.http.json_answers import BadRequest
from services.api.http.write_requests import MAX_BODY_BYTES, read_body, read_json
from sparse_autoencoder.utils.did_you_mean import did_you_mean
from sparse_autoencoder.utils.printable import printable

_SHOWN_CHARS = 40  # of a value in an error
_EXPECTED = {  # by pydantic's names of errors
    "string_type": "text",
    "string_unicode": "text, and half of a surrogate pair is none",
    "string_too_short": "a text that isn't empty",
    "string_too_long": "a text of at most {max_length:,} characters",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "literal_error": "{expected}",
    "greater_than_equal": "at least {ge:g}",
    "less_than_equal": "at most {le:g}",
}

B = TypeVar("B", bound=BaseModel)


async def read_body_of(request: Request, kind: type[B], most_bytes: int) -> B:
    """A request's body; BadRequest with a sentence for what is wrong, or see read_body."""
    content = await read_json(request, most_bytes)
    names = [*kind.model_fields]
    if not isinstance(content, dict):
        raise BadRequest(f"the body must be a JSON object with {', '.join(names)}")
    for name in content:  # pydantic doesn't take every name
        if name not in names:
            shown = name[:_SHOWN_CHARS]
            raise BadRequest(f"there is no field {printable(shown)!r}; {did_you_mean(shown, names)}")
    try:
        return kind.model_validate(content, strict=True)
    except ValidationError as error:
        raise BadRequest(_sentence(error, names)) from error


async def read_no_body(request: Request) -> None:
    """BadRequest for a body in which there is something, or see read_body."""
    if (await read_body(request, MAX_BODY_BYTES, "this takes none")).strip() not in (b"", b"{}"):
        raise BadRequest("this takes no body: leave it empty, or send {}")


def _sentence(error: ValidationError, names: list[str]) -> str:
    mistake: Any = error.errors(include_url=False)[0]
    name = str(mistake["loc"][0])
    if mistake["type"] == "missing":
        return f"{name} is missing: the body is a JSON object with {', '.join(names)}"
    template = _EXPECTED.get(mistake["type"])
    expected = mistake["msg"] if template is None else template.format(**mistake.get("ctx", {}))
    return f"{name} must be {expected}"
