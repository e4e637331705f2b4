"""Parts of answers about what follows from the weights alone: logit effects and neighbours."""

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from services.api.response_types.tokens import TokenChip


class TokenWeight(TokenChip):
    """A token with a number."""

    value: float


class TokenHistogram(TypedDict):
    """How many tokens of the vocabulary have which effect, in equal bins from the smallest to the largest one."""

    heights: list[int]
    low: Annotated[float, Field(description="Where the first bin begins.")]
    high: Annotated[float, Field(description="Where the last bin ends.")]


class LogitEffects(TypedDict):
    """What the decoder direction does to the logits, by the weights alone: per unit of activation, and divided by the
    deviation of the residual stream before the final norm, which differs from token to token."""

    promoted: Annotated[list[TokenWeight], Field(description="Tokens that it makes likelier.")]
    suppressed: Annotated[list[TokenWeight], Field(description="Tokens that it makes less likely.")]
    variant: Annotated[str, Field(description="What the numbers are, in words.")]
    histogram: TokenHistogram
    mean: Annotated[float, Field(description="Over the vocabulary; 0 but for rounding.")]
    std: float
    skew: float
    kurtosis: Annotated[float, Field(description="3 for a normal distribution.")]


class Neighbour(TypedDict):
    """A feature whose decoder direction is near."""

    feature_id: int
    cosine: float
    tokens: NotRequired[
        Annotated[
            list[TokenChip],
            Field(description="Where its examples are strongest, each token once; only in the same autoencoder."),
        ]
    ]


class NeighboursElsewhere(TypedDict):
    """The nearest features of another autoencoder."""

    autoencoder: Annotated[str, Field(description="As it was named.")]
    sha256: str
    num_features: int
    features: list[Neighbour]
