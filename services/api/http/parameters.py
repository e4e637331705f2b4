"""What a request may say in its path and its query: a pydantic model that checks it, and that openapi.json describes.

    class OneFeature(Parameters):
        id: AnyInteger = Field(description="The feature.", examples=[12])
        details: Flag = Field(False, description="Whether it comes with its tokens.")

A field whose name is in the endpoint's path is read from there, the others from the query. Required fields of the query
need an example: the sentence about a missing one shows how to ask. Words of a list are a `Literal`.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import CoreSchema, PydanticCustomError, core_schema
from starlette.requests import Request

from services.api.http.json_answers import BadRequest
from sparse_autoencoder.utils.did_you_mean import did_you_mean

LARGEST_INTEGER = 2**63 - 1
# int() and float() alone would also take "٣", "1_0" and " 1", and int() refuses thousands of digits in its own way
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_NUMBER = re.compile(r"-?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_SHOWN_CHARS = 40  # of a value in an error

P = TypeVar("P", bound="Parameters")


class Parameters(BaseModel):
    """An endpoint's parameters. Equal ones ask for the same and have the same hash, so answers can be kept by them."""

    model_config = ConfigDict(frozen=True)


@dataclass(frozen=True, eq=False)
class Kind:
    """What a parameter may be: `read` from its text, and described as this schema is in openapi.json."""

    read: Callable[[str], object]
    schema: CoreSchema

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, self.schema)


def whole(least: int = 0, most: int = LARGEST_INTEGER) -> Kind:
    """A whole number in a range, both ends included."""

    def read(text: str) -> int:
        value = _integer(text)
        if not least <= value <= most:
            raise _mistake(f"must be from {least} to {most}, not {value}")
        return value

    return Kind(read, core_schema.int_schema(ge=least, le=most))


def number(least: float, most: float) -> Kind:
    """A number in a range, both ends included."""

    def read(text: str) -> float:
        if not _NUMBER.fullmatch(text):
            raise _mistake(f"must be a number, not {text[:_SHOWN_CHARS]!r}")
        value = float(text)
        if not (math.isfinite(value) and least <= value <= most):
            raise _mistake(f"must be from {least:g} to {most:g}, not {text[:_SHOWN_CHARS]}")
        return value

    return Kind(read, core_schema.float_schema(ge=least, le=most))


def text(least: int, most: int) -> Kind:
    """A text with a number of characters in a range, both ends included."""

    def read(given: str) -> str:
        if not least <= len(given) <= most:
            raise _mistake(f"must have from {least:,} to {most:,} characters, not {len(given):,}")
        return given

    return Kind(read, core_schema.str_schema(min_length=least, max_length=most))


def _mistake(sentence: str) -> PydanticCustomError:
    """What is wrong with a value; the parameter's name is put before it."""
    return PydanticCustomError("mistake", "{sentence}", {"sentence": sentence})


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise _mistake(f"must be a whole number, not {text[:_SHOWN_CHARS]!r}")
    return int(text)


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise _mistake(f"is true or false, not {text[:_SHOWN_CHARS]!r}")
    return text == "true"


AnyInteger = Annotated[int, Kind(_integer, core_schema.int_schema())]  # the endpoint checks its range
Count = Annotated[int, whole()]
Flag = Annotated[bool, Kind(_flag, core_schema.bool_schema())]


def read_parameters(kind: type[P], request: Request) -> P:
    """A request's parameters; BadRequest with a sentence about what is wrong, unknown or there more than once."""
    given = request.query_params.multi_items()
    query = dict(given)
    if len(query) < len(given):
        name, times = Counter(name for name, _text in given).most_common(1)[0]
        raise BadRequest(f"{name[:_SHOWN_CHARS]} is there {times} times: give it once")
    known = [name for name in _names(kind) if name not in request.path_params]
    for name in query:
        if name not in known:
            shown = name[:_SHOWN_CHARS]
            raise BadRequest(f"there is no parameter {shown!r}; {did_you_mean(shown, known)}")
    try:
        return kind.model_validate({**query, **request.path_params})
    except ValidationError as error:
        raise BadRequest(_sentence(error, kind, request)) from error


def check_range(name: str, value: int, least: int, most: int) -> int:
    """The value; BadRequest if it is out of a range that depends on more than the parameter."""
    if not least <= value <= most:
        raise BadRequest(f"{name} must be from {least} to {most}, not {value}")
    return value


@cache
def _names(kind: type[Parameters]) -> Mapping[str, Any]:
    """The fields by the names that requests use."""
    return {field.alias or name: field for name, field in kind.model_fields.items()}


def _sentence(error: ValidationError, kind: type[Parameters], request: Request) -> str:
    """The first mistake as a sentence that begins with the parameter's name."""
    mistake = error.errors(include_url=False)[0]
    name = mistake["loc"][0]
    if mistake["type"] == "missing":
        fields = _names(kind).items()
        example = "&".join(f"{name}={field.examples[0]}" for name, field in fields if field.is_required())
        return f"{name} is missing: ask as in {request.url.path}?{example}"
    if mistake["type"] == "literal_error":
        expected = mistake["ctx"]["expected"].replace("'", "")
        return f"{name} is {expected}, not {mistake['input'][:_SHOWN_CHARS]!r}"
    return f"{name} {mistake['msg']}"
