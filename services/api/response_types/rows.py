"""Answers about the dataset's rows. They are called prompts as in the original's endpoints."""

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from services.api.response_types.features import Live
from services.api.response_types.tokens import TokenChip


class RowFeature(TypedDict):
    """A feature that fired in a row."""

    feature_id: int
    activation: Annotated[float, Field(description="Its largest in the row.")]
    token: Annotated[int, Field(description="Index into the row's tokens; -1 for the marker before the text.")]
    token_str: str
    max_activation: Annotated[float, Field(description="The feature's largest activation in the run.")]


class DescribedRowFeature(RowFeature):
    """A feature that fired in a row, with what tells what it is about."""

    density: Annotated[float, Field(description="Share of the run's counted tokens with activation > 0.")]
    tokens: Annotated[list[TokenChip], Field(description="Where its examples are strongest, each token once.")]


class FiringFeature(TypedDict):
    """A feature that fires in a row and isn't among its strongest."""

    feature_id: int
    activation: NotRequired[
        Annotated[float, Field(description="Its largest in the row, if the run saved its activations.")]
    ]
    token: NotRequired[
        Annotated[int, Field(description="Where that is: index into the row's tokens; -1 for the marker before them.")]
    ]
    max_activation: Annotated[float, Field(description="The feature's largest activation in the run.")]
    density: Annotated[float, Field(description="Share of the run's counted tokens with activation > 0.")]
    tokens: Annotated[list[TokenChip], Field(description="Where its examples are strongest, each token once.")]


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
    features: Annotated[list[DescribedRowFeature], Field(description="Its strongest, strongest first.")]
    keeps_firings: Annotated[bool, Field(description="Whether the run keeps what else fires at each token.")]
    columns: KeptColumns
    previous: int | None
    next: int | None


class RowFirings(Live):
    """Which features fire at some of a row's tokens."""

    run: str
    row_id: int
    first: Annotated[int, Field(description="The first of these tokens.")]
    marker: Annotated[list[int], Field(description="Features that fire on the marker before the text, if it counts.")]
    tokens: Annotated[list[list[int]], Field(description="Ids of the features that fire at each of these tokens.")]
    marker_values: NotRequired[
        Annotated[list[float], Field(description="Their activations, if the run saved its activations.")]
    ]
    values: NotRequired[
        Annotated[list[list[float]], Field(description="Activations, parallel to tokens, if the run saved them.")]
    ]
    sort: str
    offset: int
    limit: int
    num_features: Annotated[
        int, Field(description="Features that fire at these tokens or the marker without being among the strongest.")
    ]
    features: Annotated[list[FiringFeature], Field(description="Some of those.")]


class FoundFeature(TypedDict):
    """A feature that is among the strongest of more of the rows found than expected."""

    feature_id: int
    hits: Annotated[int, Field(description="Rows found that have it among their strongest.")]
    share: Annotated[float, Field(description="hits by the rows found.")]
    num_rows: Annotated[int, Field(description="Of all rows searched, those that have it among their strongest.")]
    lift: Annotated[float, Field(description="hits by those expected if the rows found were like all rows searched.")]
    surprise: Annotated[
        float, Field(description="The log-likelihood ratio G² of hits against the other rows; orders the list.")
    ]
    density: Annotated[float, Field(description="Share of the run's counted tokens with activation > 0.")]
    tokens: Annotated[list[TokenChip], Field(description="Where its examples are strongest, each token once.")]


class FoundFeatures(Live):
    """The features that the rows found have more often than others."""

    run: str
    num_found: Annotated[int, Field(description="Rows found.")]
    num_searched: Annotated[int, Field(description="Rows that were searched, without skipped ones.")]
    next: Annotated[int | None, Field(description="The first row that was not searched; null if all were.")]
    features_per_row: Annotated[int, Field(description="How many of its strongest features are stored of each row.")]
    min_hits: int
    limit: int
    num_matching: Annotated[int, Field(description="The length of the whole list.")]
    features: list[FoundFeature]


class TextPart(TypedDict):
    """A shorter text, and how many rows have it."""

    text: str
    num_rows: int


class TextParts(Live):
    """Parts of a text, to look for instead."""

    run: str
    text: str
    num_searched: Annotated[int, Field(description="Rows that were searched, without skipped ones.")]
    next: Annotated[int | None, Field(description="The first row that was not searched; null if all were.")]
    parts: list[TextPart]
