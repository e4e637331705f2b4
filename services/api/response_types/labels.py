"""Answers about what people say of features, and what they send."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from sparse_autoencoder.runs.label_entries import MOST_AUTHOR_CHARS, MOST_LABEL_CHARS, MOST_NOTE_CHARS


class Label(TypedDict):
    """What is said of a feature."""

    feature_id: int
    label: str | None
    note: str | None
    starred: bool
    author: Annotated[str | None, Field(description="Of the last change, if it had one.")]
    updated_at: Annotated[str | None, Field(description="UTC; null if nothing was ever said.")]


class LabelList(TypedDict):
    """All that is said of the features of a run's autoencoder, in whichever run it was."""

    run: str
    sha256: Annotated[str, Field(description="Of the autoencoder.")]
    needs_token: Annotated[bool, Field(description="Whether changing a label needs the API's token.")]
    labels: list[Label]


class LabelLine(TypedDict):
    """A line of the export."""

    feature_id: int
    label: str | None
    note: str | None
    starred: bool
    author: str | None
    updated_at: str
    autoencoder_sha256: str


class LineAndWhy(TypedDict):
    """A line that was not taken over, or not as a whole."""

    line: Annotated[int, Field(description="From 1.")]
    why: str


class ImportedLabels(TypedDict):
    """What became of the lines."""

    taken: Annotated[int, Field(description="Lines that were taken over, in part or as a whole.")]
    added: Annotated[int, Field(description="Those of them about features of which nothing was said.")]
    changed: Annotated[int, Field(description="The others of them.")]
    unchanged: Annotated[int, Field(description="Lines that say nothing that isn't said already.")]
    num_conflicts: Annotated[int, Field(description="Labels and notes that are said otherwise here, and stay.")]
    conflicts: Annotated[list[LineAndWhy], Field(description="The first hundred.")]
    num_skipped: Annotated[int, Field(description="Lines that can't be used.")]
    skipped: Annotated[list[LineAndWhy], Field(description="The first hundred.")]


class LabelChange(BaseModel):
    """What is to be said of a feature; what is left out stays, and null or an empty text removes it."""

    model_config = ConfigDict(extra="forbid")

    label: str | None = Field(None, max_length=MOST_LABEL_CHARS)
    note: str | None = Field(None, max_length=MOST_NOTE_CHARS)
    starred: bool = False
    author: str | None = Field(None, max_length=MOST_AUTHOR_CHARS)
    if_updated_at: str | None = Field(
        None,
        description="The `updated_at` that the writer saw, null if there was none: the change is refused if somebody "
        "changed one of its fields to something else since. Whatever was said since if left out.",
    )
