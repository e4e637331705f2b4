"""Answers about the API itself, and what every endpoint answers when something is wrong."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from services.api.response_types.labels import Label


class Problem(TypedDict):
    """What went wrong, as a sentence."""

    error: str
    field: NotRequired[Annotated[str, Field(description="The option that is wrong, if it is one.")]]
    label: NotRequired[Annotated[Label, Field(description="What is said of the feature now, if somebody was quicker.")]]


class Health(TypedDict):
    """That the process answers."""

    status: Literal["ok"]


class Ready(TypedDict):
    """That what the API needs answers."""

    status: Literal["ready"]
