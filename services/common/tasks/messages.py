"""The messages between services. They name a run and a chunk, and never carry data (claim check): that is in the store.
A question to a run's models is in Redis (services/common/redis/questions.py).

A message of an unknown version is refused with a sentence, so that a deployment of mixed releases is noticed.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from sparse_autoencoder.errors import SaescopeError

VERSION: Literal[1] = 1
Task = Literal["ingest", "encode", "aggregate", "probe"]


class Message(BaseModel):
    """A task to be done for a run; for `encode` also the number of the chunk, from 0, for `probe` the question's id.

    In a queue it is the JSON of `model_dump()`; `parse_message` reads that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal[1] = VERSION
    task: Task
    run_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,199}$")]
    chunk: Annotated[int, Field(ge=0)] | None = None
    question: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None

    @model_validator(mode="after")
    def _chunk_is_for_encode(self) -> Self:
        if (self.chunk is None) == (self.task == "encode"):
            raise ValueError("a chunk belongs to the task encode, and to no other")
        if (self.question is None) == (self.task == "probe"):
            raise ValueError("a question belongs to the task probe, and to no other")
        return self

    @model_serializer(mode="wrap")
    def _without_no_question(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out that there is no question: services of earlier releases don't know of any."""
        written: dict[str, Any] = write(self)
        return {name: value for name, value in written.items() if name != "question" or value is not None}


def parse_message(content: object) -> Message:
    """The message in a task's argument; SaescopeError if there is none, or one of an unknown version."""
    if not isinstance(content, dict):
        raise SaescopeError(f"what arrived is no message but {str(content)[:100]!r}: who else uses this queue?")
    version = content.get("version")
    if type(version) is not int or version != VERSION:
        raise SaescopeError(
            f"a message of version {version!r} arrived, and this service knows version {VERSION}: "
            "run the same release of all services"
        )
    try:
        return Message.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "message"
        raise SaescopeError(f"a message can't be understood ({where}: {first['msg']}): {str(content)[:200]}") from error
