"""Answers about the dataset's rows. They are called prompts as in the original's endpoints."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from services.api.response_types.features import Live


class RowFeature(TypedDict):
    """A feature that fired in a row."""

    feature_id: int
    activation: Annotated[float, Field(description="Its largest in the row.")]
    token: Annotated[int, Field(description="Index into the row's tokens; -1 for the marker before the text.")]
    token_str: str


KeptColumns = Annotated[dict[str, str | None], Field(description="The dataset's own columns that the run keeps.")]


class Prompt(TypedDict):
    """A row in a list."""

    row_id: int
    text: Annotated[str | None, Field(description="Its beginning, if it is long; null for a skipped row.")]
    is_cut: bool
    skipped: Annotated[str | None, Field(description="Why it was skipped.")]
    features: Annotated[list[RowFeature], Field(description="Its strongest, strongest first.")]
    columns: KeptColumns


class PromptList(Live):
    """Some rows, in the order of the dataset."""

    run: str
    prompts: list[Prompt]
    next: Annotated[int | None, Field(description="The row to go on from; null if there are no more.")]
    limit: int
    text: str | None


class PromptInfo(Live):
    """A row with its tokens and its strongest features."""

    run: str
    row_id: int
    text: str | None
    skipped: str | None
    tokens: Annotated[list[str], Field(description="Without markers before the text.")]
    token_ints: list[int]
    windows: Annotated[list[int], Field(description="The first of the tokens that each window counts.")]
    features: list[RowFeature]
    columns: KeptColumns
    previous: int | None
    next: int | None
