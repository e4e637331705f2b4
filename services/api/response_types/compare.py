"""The answer that compares two runs, or parts of them."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from services.api.response_types.positions import TokensAtPositions
from services.api.response_types.tokens import TokenChip

ComparedBy = Literal["certain", "log_ratio", "feature_id", "density_a", "density_b", "p", "log_odds"]
Unit = Literal["text", "token"]
Shown = Literal["all", "differ", "only_a", "only_b"]


class TokensPerText(TypedDict):
    """How long a side's texts are, in counted tokens; a text that several rows have counts with all of them."""

    mean: float
    std: float


class ComparedHalves(TypedDict):
    """What chance alone does: the run's texts in two random halves, compared in the same way."""

    num_tested: int
    num_found: Annotated[int, Field(description="Features that seem to differ between the halves (q at most 0.05).")]


class ComparedRun(TypedDict):
    """One of two runs, or parts of a run, that are compared."""

    run: str
    source: str | None
    part: str
    num_tokens: int
    num_active_features: int
    num_rows: NotRequired[Annotated[int, Field(description="With counted tokens; earlier runs don't tell.")]]
    num_texts: NotRequired[Annotated[int, Field(description="Distinct ones.")]]
    tokens_per_text: NotRequired[TokensPerText]
    halves: NotRequired[ComparedHalves]
    positions: NotRequired[
        Annotated[list[TokensAtPositions], Field(description="Where in windows the counted tokens of a whole run are.")]
    ]


class ComparedSide(TypedDict):
    """A feature in one of the runs."""

    num_active_tokens: int
    density: float
    tokens: list[TokenChip]
    num_active_texts: NotRequired[Annotated[int, Field(description="Distinct texts in which it fires.")]]


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
    p: NotRequired[Annotated[float | None, Field(description="Of equal densities; null if it fires in few texts.")]]
    q: NotRequired[
        Annotated[float | None, Field(description="The false discovery rate at which it counts as different.")]
    ]
    log_odds: NotRequired[
        Annotated[float, Field(description="log2 of the ratio of odds, drawn to 0 by a prior; for rare features.")]
    ]
    log_odds_z: NotRequired[Annotated[float, Field(description="The same, by its standard deviation.")]]
    b_stronger: NotRequired[
        Annotated[float | None, Field(description="The probability that an activation in b is stronger than one in a.")]
    ]


class Comparison(TypedDict):
    """Features of two runs, or of parts of them, by how differently they fire."""

    a: ComparedRun
    b: ComparedRun
    unit: Annotated[Unit, Field(description="What counts as independent: texts, or tokens as in earlier versions.")]
    confidence: float
    sort: ComparedBy
    order: Literal["asc", "desc"]
    offset: int
    limit: int
    num_features: int
    num_matching: int
    num_fired: Annotated[int, Field(description="Features that fire on either side, whatever is listed.")]
    num_only_a: Annotated[int, Field(description="Of them, those that fire in a and never in b.")]
    num_only_b: int
    num_tested: NotRequired[Annotated[int, Field(description="Features that fire in enough texts to be tested.")]]
    num_found: NotRequired[Annotated[int, Field(description="Features that differ (q at most 0.05).")]]
    num_found_denser_in_b: NotRequired[Annotated[int, Field(description="Of those, the ones with more in b.")]]
    policies_differ: NotRequired[
        Annotated[str, Field(description="A sentence, if the runs' windows were made in other ways.")]
    ]
    features: list[ComparedFeature]
    live: NotRequired[Annotated[bool, Field(description="True while a run is going; later answers may differ.")]]
