"""The answer that compares two runs."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from services.api.response_types.features import TokenChip

ComparedBy = Literal["certain", "log_ratio", "feature_id", "density_a", "density_b"]


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
    sort: ComparedBy
    order: Literal["asc", "desc"]
    offset: int
    limit: int
    num_features: int
    num_matching: int
    features: list[ComparedFeature]
    live: NotRequired[Annotated[bool, Field(description="True while a run is going; later answers may differ.")]]
