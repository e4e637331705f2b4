"""What a request may say in its path and its query: a pydantic model that checks it, and that openapi.json describes.

    class OneFeature(Parameters):
        id: Annotated[int, Integer(), Field(description="The feature.", examples=[12])]
        details: Annotated[bool, Flag(), Field(description="Whether it comes with its tokens.")] = False

A field whose name is in the endpoint's path is read from there, the others from the query. Required fields of the query
need an example: the sentence about a missing one shows how to ask. Words of a list are a `Literal`.
"""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import CoreSchema, PydanticCustomError, core_schema
from starlette.requests import Request

from services.api.http.answers import BadRequest

LARGEST_INTEGER = 2**63 - 1
# int() and float() alone would also take "٣", "1_0" and " 1", and int() refuses thousands of digits in its own way
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_NUMBER = re.compile(r"-?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_SHOWN_CHARS = 40  # of a value in an error

P = TypeVar("P", bound="Parameters")


class Parameters(BaseModel):
    """An endpoint's parameters. Equal ones ask for the same and have the same hash, so answers can be kept by them."""

    model_config = ConfigDict(frozen=True)


@dataclass(frozen=True)
class Integer:
    """A whole number in a range, both ends included; an end that is None is the endpoint's to check."""

    least: int | None = 0
    most: int | None = LARGEST_INTEGER

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> CoreSchema:
        return _read_by(self._read, core_schema.int_schema(ge=self.least, le=self.most))

    def _read(self, text: str) -> int:
        if not _INTEGER.fullmatch(text):
            raise _mistake(f"must be a whole number, not {text[:_SHOWN_CHARS]!r}")
        value = int(text)
        if self.least is not None and self.most is not None and not self.least <= value <= self.most:
            raise _mistake(f"must be from {self.least} to {self.most}, not {value}")
        return value


@dataclass(frozen=True)
class Number:
    """A number in a range, both ends included."""

    least: float
    most: float

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> CoreSchema:
        return _read_by(self._read, core_schema.float_schema(ge=self.least, le=self.most))

    def _read(self, text: str) -> float:
        if not _NUMBER.fullmatch(text):
            raise _mistake(f"must be a number, not {text[:_SHOWN_CHARS]!r}")
        value = float(text)
        if not (math.isfinite(value) and self.least <= value <= self.most):
            raise _mistake(f"must be from {self.least:g} to {self.most:g}, not {text[:_SHOWN_CHARS]}")
        return value


@dataclass(frozen=True)
class Text:
    """A text; with `most`, its number of characters is in a range, both ends included."""

    least: int = 0
    most: int | None = None

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> CoreSchema:
        if self.most is None:
            return core_schema.str_schema()
        return _read_by(self._read, core_schema.str_schema(min_length=self.least, max_length=self.most))

    def _read(self, text: str) -> str:
        if self.most is not None and not self.least <= len(text) <= self.most:
            raise _mistake(f"must have from {self.least:,} to {self.most:,} characters, not {len(text):,}")
        return text


@dataclass(frozen=True)
class Flag:
    """`true` or `false`."""

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> CoreSchema:
        return _read_by(self._read, core_schema.bool_schema())

    def _read(self, text: str) -> bool:
        if text not in ("true", "false"):
            raise _mistake(f"is true or false, not {text[:_SHOWN_CHARS]!r}")
        return text == "true"


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
            raise BadRequest(_unknown(name, known))
    try:
        return kind.model_validate({**query, **request.path_params})
    except ValidationError as error:
        raise BadRequest(_sentence(error, kind, request)) from error


def check_range(name: str, value: int, least: int, most: int) -> int:
    """The value; BadRequest if it is out of a range that depends on more than the parameter."""
    if not least <= value <= most:
        raise BadRequest(f"{name} must be from {least} to {most}, not {value}")
    return value


def _read_by(read: Callable[[str], object], described_as: CoreSchema) -> CoreSchema:
    """Values are read from text by `read`, and described as this schema describes them."""
    return core_schema.no_info_before_validator_function(read, described_as)


def _mistake(sentence: str) -> PydanticCustomError:
    """What is wrong with a value; the parameter's name is put before it."""
    return PydanticCustomError("mistake", "{sentence}", {"sentence": sentence})


@cache
def _names(kind: type[Parameters]) -> Mapping[str, Any]:
    """The fields by the names that requests use."""
    return {field.alias or name: field for name, field in kind.model_fields.items()}


def _unknown(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name[:_SHOWN_CHARS], known, n=1)
    there_are = f"there are {', '.join(known)}" if known else "there are none here"
    return f"there is no parameter {name[:_SHOWN_CHARS]!r}; " + (f"did you mean {close[0]}?" if close else there_are)


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
