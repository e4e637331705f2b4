"""Answers about runs as such, and what can be chosen for one."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

OptionValue = str | int | float | bool | None
RunStatus = Literal["queued", "running", "interrupted", "cancelled", "failed", "complete", "completed_with_errors"]


class FailedChunk(TypedDict):
    """A chunk that couldn't be encoded."""

    chunk: int
    first_row: int
    last_row: int
    num_rows: int
    error: str


class RowGroup(TypedDict):
    """A group of rows of a run with --group-by, with what was counted of it."""

    name: str
    num_rows: int
    num_texts: Annotated[int, Field(description="Distinct ones.")]
    num_tokens: int


class Progress(TypedDict):
    """How far an active run is."""

    num_records: Annotated[int, Field(description="Rows done.")]
    total_records: Annotated[int | None, Field(description="Rows of the source; null if nothing is known.")]
    total_is_exact: bool
    num_tokens: int
    tokens_per_s: float | None
    workers: int | None
    seconds_left: int | None
    num_failed_chunks: int
    problem: Annotated[str | None, Field(description="A sentence when the services have trouble.")]


class Can(TypedDict):
    """What can be done with a run."""

    cancel: bool
    resume: bool
    retry: Annotated[bool, Field(description="Have the chunks that failed tried again.")]
    delete: bool


class Run(TypedDict):
    """A run; what isn't known yet is null, or 0 where it is a count."""

    id: str
    name: Annotated[str | None, Field(description="What whoever started it called it (`--name`).")]
    status: RunStatus
    error: str | None
    created_at: str | None
    started_at: str | None
    finished_at: str | None
    seconds: float | None
    source: str | None
    text_column: Annotated[str | None, Field(description="The column with the text; null if there are none.")]
    subject: str | None
    autoencoder: str | None
    layer_index: int | None
    location: str | None
    num_prompts: int
    num_tokens: int
    num_texts: Annotated[int | None, Field(description="Distinct ones; null for a run of an earlier version.")]
    groups: Annotated[list[RowGroup], Field(description="Of --group-by, in the order of their first rows.")]
    num_features: int | None
    num_active_features: int
    num_skipped_rows: int
    skipped_rows: Annotated[dict[str, int], Field(description="How many rows could not be used, by reason.")]
    noted_rows: Annotated[
        dict[str, int], Field(description="How many rows that were used there is something to say of, by what it is.")
    ]
    self_check: Annotated[
        dict[str, Any] | None,
        Field(
            description="How well the autoencoder gives back its input (FVU, cosine, L0, by position), what was "
            "checked on the first chunk, and the verdict: `fits`, `doubtful` or `no reference`, with reasons. Null "
            "while there is nothing, and for runs of earlier versions."
        ),
    ]
    warnings: Annotated[list[str], Field(description="What should be known before the run is believed.")]
    failed_chunks: Annotated[
        list[FailedChunk], Field(description="While failed chunks are tried again, those that had failed before.")
    ]
    retry_from: Annotated[
        int | None,
        Field(
            description="The chunk from which failed chunks are tried again, or would be: it and all after it are "
            "computed again, what came before was kept. 0 if nothing was kept; null if there is nothing to try again."
        ),
    ]
    options: Annotated[dict[str, OptionValue], Field(description="Every option of `saescope run` with its value.")]
    progress: Annotated[Progress | None, Field(description="Null for a run that nobody works on.")]
    can: Can


class RunList(TypedDict):
    """All runs, newest first."""

    runs: list[Run]


class Started(TypedDict):
    """A run that was started."""

    id: str
    status: Literal["queued"]


class Option(TypedDict):
    """One thing that can be chosen for a run."""

    default: OptionValue
    description: str
    type: str
    choices: NotRequired[list[str]]
    minimum: NotRequired[int]


class Options(TypedDict):
    """What can be chosen for a run."""

    options: dict[str, Option]
    can_start: Annotated[bool, Field(description="Whether there are services behind the API that compute runs.")]
    data_files: Annotated[list[str], Field(description="Paths below the data folder.")]
    needs_token: NotRequired[bool]
