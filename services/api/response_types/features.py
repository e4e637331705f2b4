"""Answers about features: lists of them."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from services.api.response_types.tokens import TokenChip, TokenMatch, TokenSearch


class Live(TypedDict):
    """What an answer about an unfinished run says besides."""

    live: NotRequired[Annotated[bool, Field(description="True while the run is going; later answers may differ.")]]
    num_records: NotRequired[Annotated[int, Field(description="Rows that the answer is about.")]]


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
    token_match: NotRequired[TokenMatch]


class FeatureList(Live):
    """A stretch of a ranking of features."""

    run: str
    features: list[RankedFeature]
    metric: str
    sort: Annotated[str, Field(description="What the list is ordered by: a metric, or one of the other keys.")]
    order: Literal["asc", "desc"]
    metrics_available: list[str]
    sorts_available: Annotated[list[str], Field(description="What this list can be ordered by.")]
    metric_descriptions: dict[str, str]
    num_features: Annotated[int, Field(description="Latents of the autoencoder.")]
    num_active_features: Annotated[int, Field(description="Features that fired at least once.")]
    num_matching: Annotated[int, Field(description="Features that the filters leave: the length of the whole list.")]
    num_tokens: Annotated[int, Field(description="Counted tokens of the run.")]
    bin_width: float
    offset: int
    limit: int
    token_table: NotRequired[
        Annotated[
            TokenSearch | None,
            Field(
                description="With `token`: what was searched. Null for a run of a version without token tables: listed "
                "are then only features with an example at such a token, and starting the run again lists all."
            ),
        ]
    ]


class FeatureRank(Live):
    """Where a feature stands in a ranking; null if the filters leave it out."""

    run: str
    feature_id: int
    rank: Annotated[int | None, Field(description="From 0.")]
    previous: int | None
    next: int | None
    num_matching: int
