"""The messages between services: which run, which chunk, never data.

One of an unknown version is refused with a sentence, so that mixed deployments are noticed.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sparse_autoencoder.errors import SaescopeError

VERSION: Literal[1] = 1
Task = Literal["ingest", "encode", "aggregate"]


class Message(BaseModel):
    """What a task is about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = VERSION
    task: Task
    run_id: Annotated[str, Field(min_length=1, max_length=200)]
    chunk: Annotated[int, Field(ge=0)] | None = None  # for `encode`


def parse_message(content: dict[str, Any]) -> Message:
    """The message in a queue's entry; SaescopeError if it is none, or of a version that this one doesn't know."""
    if content.get("version") != VERSION:
        raise SaescopeError(
            f"a message of version {content.get('version')!r} arrived, and this service knows {VERSION}: "
            "run the same version of all services"
        )
    try:
        return Message.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise SaescopeError(f"a message can't be understood: {first['loc']}: {first['msg']}") from error
