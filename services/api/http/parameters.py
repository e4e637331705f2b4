"""What a request may say in its query or path: declared once, for reading requests and for describing the API.

    LIMIT = Parameter("limit", "How many.", whole(0, 10_000), 50)

Every mistake has its sentence. This file knows no endpoints and no runs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from starlette.requests import Request

from services.api.http.requests import BadRequest

LARGEST_INTEGER = 2**63 - 1
REQUIRED: Any = object()  # as a default
# int() and float() alone would also take "٣", "1_0" and " 1", and int() refuses thousands of digits in its own way
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_NUMBER = re.compile(r"-?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_SHOWN_CHARS = 40  # of a value in an error

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Kind(Generic[T_co]):
    """What a parameter may be: in terms of JSON Schema, and `parse`, from its name and text; BadRequest otherwise."""

    schema: Mapping[str, Any]
    parse: Callable[[str, str], T_co]


@dataclass(frozen=True, eq=False)
class Parameter(Generic[T_co]):
    """One parameter; `missing` says what to do when a required one isn't there."""

    name: str
    description: str
    kind: Kind[T_co]
    default: T_co = REQUIRED
    missing: str = ""
    place: Literal["query", "path"] = "query"

    @property
    def required(self) -> bool:
        """Whether it must be there."""
        return self.default is REQUIRED

    def of(self, request: Request) -> T_co:
        """Its value in a request; BadRequest if it can't be that, is missing, or is there more than once."""
        if self.place == "path":
            return self.kind.parse(self.name, request.path_params[self.name])
        texts = request.query_params.getlist(self.name)
        if len(texts) > 1:
            raise BadRequest(f"{self.name} is there {len(texts)} times: give it once")
        if texts:
            return self.kind.parse(self.name, texts[0])
        if self.required:
            raise BadRequest(f"{self.name} is missing: {self.missing}")
        return self.default


class Asked:
    """What a request says in an endpoint's parameters, all of it checked; BadRequest for the first that is wrong."""

    def __init__(self, request: Request, parameters: Iterable[Parameter[Any]]) -> None:
        self.request = request
        self._values = {parameter: parameter.of(request) for parameter in parameters}

    def __getitem__(self, parameter: Parameter[T]) -> T:
        """A parameter's value; KeyError if the endpoint doesn't declare it."""
        value: T = self._values[parameter]
        return value

    @property
    def values(self) -> tuple[object, ...]:
        """All values, in the order of the endpoint's parameters: the same ones ask the same."""
        return tuple(self._values.values())


def text(least: int = 0, most: int | None = None) -> Kind[str]:
    """A text with a number of characters in a range, both ends included; without a range any text."""
    if most is None:
        return Kind({"type": "string"}, lambda _name, given: given)

    def parse(name: str, given: str) -> str:
        if not least <= len(given) <= most:
            raise BadRequest(f"{name} must have from {least:,} to {most:,} characters, not {len(given):,}")
        return given

    return Kind({"type": "string", "minLength": least, "maxLength": most}, parse)


def integer() -> Kind[int]:
    """A whole number, in a range that depends on what else is asked."""
    return Kind({"type": "integer"}, _integer)


def whole(least: int = 0, most: int = LARGEST_INTEGER) -> Kind[int]:
    """A whole number in a range, both ends included."""
    return Kind(
        {"type": "integer", "minimum": least, "maximum": most},
        lambda name, given: check_range(name, _integer(name, given), least, most),
    )


def number(least: float, most: float) -> Kind[float]:
    """A number in a range, both ends included."""

    def parse(name: str, given: str) -> float:
        if not _NUMBER.fullmatch(given):
            raise BadRequest(f"{name} must be a number, not {given[:_SHOWN_CHARS]!r}")
        value = float(given)
        if not (math.isfinite(value) and least <= value <= most):
            raise BadRequest(f"{name} must be from {least:g} to {most:g}, not {given[:_SHOWN_CHARS]}")
        return value

    return Kind({"type": "number", "minimum": least, "maximum": most}, parse)


def flag() -> Kind[bool]:
    """Yes or no."""
    values = {"true": True, "false": False}
    return Kind({"type": "boolean"}, lambda name, given: values[_known(name, given, tuple(values))])


def one_of(*values: T) -> Kind[T]:
    """One of some words."""
    by_name = {str(value): value for value in values}
    return Kind(
        {"type": "string", "enum": list(by_name)},
        lambda name, given: by_name[_known(name, given, tuple(by_name))],
    )


def check_range(name: str, value: int, least: int, most: int) -> int:
    """The value; BadRequest if it is out of range."""
    if not least <= value <= most:
        raise BadRequest(f"{name} must be from {least} to {most}, not {value}")
    return value


def _integer(name: str, given: str) -> int:
    if not _INTEGER.fullmatch(given):
        raise BadRequest(f"{name} must be a whole number, not {given[:_SHOWN_CHARS]!r}")
    return int(given)


def _known(name: str, given: str, names: tuple[str, ...]) -> str:
    if given not in names:
        raise BadRequest(f"{name} is {' or '.join(names)}, not {given[:_SHOWN_CHARS]!r}")
    return given
