"""Answers about the API itself, and what every endpoint answers when something is wrong."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict


class Problem(TypedDict):
    """What went wrong, as a sentence."""

    error: str
    field: NotRequired[Annotated[str, Field(description="The option that is wrong, if it is one.")]]


class Health(TypedDict):
    """That the process answers."""

    status: Literal["ok"]


class Ready(TypedDict):
    """That what the API needs answers."""

    status: Literal["ready"]
