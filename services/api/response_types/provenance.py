"""The answer that says what a run was made of, and how to make it again."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

Fact = str | int | float | bool | None


class ModelProvenance(TypedDict):
    """The language model that was read."""

    name: str
    hook: str | None
    commit: Annotated[str | None, Field(description="The hub's revision, if it came from there.")]
    files: Annotated[dict[str, str], Field(description="SHA-256 of each file that the results depend on.")]


class AutoencoderProvenance(TypedDict):
    """The autoencoder; what an earlier run's files don't say is null."""

    name: str
    address: str | None
    num_bytes: int | None
    sha256: str | None
    activation: str | None
    k: int | None


class RunFiles(TypedDict):
    """A file of the run's folder, or all files of one of its folders."""

    name: Annotated[str, Field(description="Ends with a slash for a folder.")]
    num_files: int
    num_bytes: Annotated[int | None, Field(description="Null where there are too many files to ask for their sizes.")]


class Provenance(TypedDict):
    """What a run was made of. Of a run that hasn't begun, only the command is known; the rest is null or empty."""

    command: Annotated[
        str, Field(description="Makes the same run; paths are as they were given, from the folder it was started in.")
    ]
    source: Annotated[dict[str, Fact], Field(description="What was read, and how: format, column, size, version.")]
    model: ModelProvenance | None
    autoencoder: AutoencoderProvenance | None
    versions: dict[str, str]
    processor: dict[str, str]
    rows_hash: Annotated[str | None, Field(description="Hash of all rows that were read, in order.")]
    files: list[RunFiles]
