"""What the API answers, as types: openapi.json is generated from them, and the viewer's types from that.

A sentence here is shown to whoever reads the API's description. This file computes nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field

# pydantic wants this one until Python 3.12
from typing_extensions import TypedDict

OptionValue = str | int | float | bool | None
RunStatus = Literal["queued", "running", "interrupted", "cancelled", "failed", "complete", "completed_with_errors"]


class Problem(TypedDict):
    """What went wrong, as a sentence."""

    error: str
    field: NotRequired[Annotated[str, Field(description="The option that is wrong, if it is one.")]]


class Live(TypedDict):
    """What an answer about an unfinished run says besides."""

    live: NotRequired[Annotated[bool, Field(description="True while the run is going; later answers may differ.")]]
    num_records: NotRequired[Annotated[int, Field(description="Rows that the answer is about.")]]


# --- features


class TokenChip(TypedDict):
    """A token of the vocabulary."""

    token_id: int
    token: str


class RankedFeature(TypedDict):
    """A feature in a list."""

    feature_id: int
    value: Annotated[float, Field(description="Of the list's metric.")]
    num_active_tokens: Annotated[int, Field(description="Counted tokens with activation > 0.")]
    metrics: dict[str, float]
    tokens: NotRequired[
        Annotated[list[TokenChip], Field(description="Where its examples are strongest, each token once.")]
    ]
    hist: NotRequired[Annotated[dict[str, int], Field(description="Counts by bin; bin b is ((b-1)w, bw].")]]


class FeatureList(Live):
    """A stretch of a ranking of features."""

    run: str
    features: list[RankedFeature]
    metric: str
    sort: Annotated[str, Field(description="What the list is ordered by: a metric, feature_id or num_active_tokens.")]
    order: Literal["asc", "desc"]
    metrics_available: list[str]
    metric_descriptions: dict[str, str]
    num_features: Annotated[int, Field(description="Latents of the autoencoder.")]
    num_active_features: Annotated[int, Field(description="Features that fired at least once.")]
    num_matching: Annotated[int, Field(description="Features that the filters leave: the length of the whole list.")]
    num_tokens: Annotated[int, Field(description="Counted tokens of the run.")]
    bin_width: float
    offset: int
    limit: int


class FeatureRank(Live):
    """Where a feature stands in a ranking; null if the filters leave it out."""

    run: str
    feature_id: int
    rank: Annotated[int | None, Field(description="From 0.")]
    previous: int | None
    next: int | None
    num_matching: int


class TokenEntry(TypedDict):
    """An example as the original's feature_tokens.json has it."""

    activation: float
    token_str: str
    token_id: int
    token_position: int
    prompt_index: int | None
    row_id: int
    prompt_snippet: str
    prompt_tokens: list[str]


class FeatureTokens(Live):
    """A feature's strongest tokens."""

    run: str
    feature_id: int
    top_k: int
    tokens: list[TokenEntry]


class Sequence(TypedDict):
    """A text shown for a feature: one window; `acts`, `tokens` and `token_ints` have one entry per token."""

    density: float
    doc_id: int
    row_id: int
    offset: Annotated[int, Field(description="The window's first own token, counted in its row.")]
    idx: Annotated[int, Field(description="The token that put this text on the list.")]
    act: Annotated[float, Field(description="acts[idx]")]
    acts: list[float]
    tokens: list[str]
    token_ints: list[int]
    count: Annotated[int | None, Field(description="How often this very text occurred; null while the run is going.")]


class TokenWeight(TokenChip):
    """A token with a number."""

    value: float


class Logits(TypedDict):
    """The tokens that a feature's decoder direction makes likelier and less likely."""

    promoted: list[TokenWeight]
    suppressed: list[TokenWeight]


class Explanation(TypedDict):
    """What somebody, or some model, says that the feature stands for."""

    text: str
    author: str
    score: NotRequired[float]


class Effect(TypedDict):
    """What changing the feature does, as one number."""

    name: str
    description: str
    value: float


class FeatureInfo(Live):
    """Everything about a feature, as OpenAI's SAE viewer has it, with a few more keys."""

    run: str
    feature_id: int
    density: float
    mean_act: float
    mean_act_squared: float
    max_act: float
    skew: float
    kurtosis: float
    num_active_tokens: int
    num_tokens: int
    metrics: dict[str, float]
    bin_width: float
    hist: Annotated[dict[str, int], Field(description="Counts by bin; bin b is ((b-1)w, bw].")]
    top: list[Sequence]
    random: list[Sequence]
    logits: NotRequired[Logits]
    explanations: NotRequired[list[Explanation]]
    effects: NotRequired[list[Effect]]


# --- prompts: the dataset's rows


class RowFeature(TypedDict):
    """A feature that fired in a row."""

    feature_id: int
    activation: Annotated[float, Field(description="Its largest in the row.")]
    token: Annotated[int, Field(description="Index into the row's tokens; -1 for the marker before the text.")]
    token_str: str


class Prompt(TypedDict):
    """A row in a list."""

    row_id: int
    text: Annotated[str | None, Field(description="Its beginning, if it is long; null for a skipped row.")]
    is_cut: bool
    skipped: Annotated[str | None, Field(description="Why it was skipped.")]
    features: Annotated[list[RowFeature], Field(description="Its strongest, strongest first.")]


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
    windows: Annotated[list[int], Field(description="Where each window begins in the tokens.")]
    features: list[RowFeature]
    previous: int | None
    next: int | None


# --- comparing two runs


class ComparedRun(TypedDict):
    """One of two runs that are compared."""

    run: str
    source: str | None
    num_tokens: int
    num_active_features: int


class ComparedSide(TypedDict):
    """A feature in one of the runs."""

    num_active_tokens: int
    density: float
    tokens: list[TokenChip]


class ComparedFeature(TypedDict):
    """How differently a feature fires in two runs."""

    feature_id: int
    a: ComparedSide
    b: ComparedSide
    log_ratio: Annotated[
        float, Field(description="log2 of density in b over density in a, each with half a count more.")
    ]
    low: Annotated[float, Field(description="Lower end of the confidence interval.")]
    high: Annotated[float, Field(description="Upper end of the confidence interval.")]


class Comparison(TypedDict):
    """Features of two runs by how differently they fire."""

    a: ComparedRun
    b: ComparedRun
    confidence: float
    sort: Literal["certain", "log_ratio", "feature_id", "density_a", "density_b"]
    order: Literal["asc", "desc"]
    offset: int
    limit: int
    num_features: int
    num_matching: int
    features: list[ComparedFeature]
    live: NotRequired[Annotated[bool, Field(description="True while a run is going; later answers may differ.")]]


# --- runs


class FailedChunk(TypedDict):
    """A chunk that couldn't be encoded."""

    chunk: int
    first_row: int
    last_row: int
    num_rows: int
    error: str


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
    status: RunStatus
    error: str | None
    created_at: str | None
    started_at: str | None
    finished_at: str | None
    seconds: float | None
    source: str | None
    subject: str | None
    autoencoder: str | None
    layer_index: int | None
    location: str | None
    num_prompts: int
    num_tokens: int
    num_features: int | None
    num_active_features: int
    num_skipped_rows: int
    skipped_rows: Annotated[dict[str, int], Field(description="How many rows could not be used, by reason.")]
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


# --- the API itself


class Health(TypedDict):
    """That the process answers."""

    status: Literal["ok"]


class Ready(TypedDict):
    """That what the API needs answers."""

    status: Literal["ready"]
