"""Parts of answers about the tokens that features fire on."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict


class TokenChip(TypedDict):
    """A token of the vocabulary."""

    token_id: int
    token: str


class TokenCoverage(TypedDict):
    """What the numbers about tokens are of."""

    chunks: Annotated[int, Field(description="The chunks whose token tables were read.")]
    of: Annotated[int, Field(description="The chunks that are merged; only while the run is going it may be more.")]


class TokenSearch(TokenCoverage):
    """What was searched to list the features that fire on a token."""

    occurrences: Annotated[int, Field(description="Counted tokens that match, in these chunks.")]


class TokenMatch(TypedDict):
    """How a feature fires on the tokens that the list was asked for; where not all chunks were read, at least."""

    count: Annotated[int, Field(description="Firings on these tokens.")]
    share: Annotated[float, Field(description="Of the feature's firings.")]
    share_of_occurrences: Annotated[float, Field(description="Of the tokens' occurrences.")]
    max_activation: float


class FeatureToken(TokenChip):
    """A token that a feature fires on."""

    count: Annotated[int, Field(description="Counted tokens with this id at which the feature fires.")]
    share: Annotated[float, Field(description="Of the feature's firings.")]
    share_of_occurrences: Annotated[float, Field(description="Of the token's occurrences.")]
    mean_activation: Annotated[float, Field(description="Where the feature fires on it.")]
    max_activation: float


class TokenSpread(TokenCoverage):
    """How a feature's firings spread over tokens, and what the list of tokens leaves out."""

    num_active_tokens: Annotated[int, Field(description="Firings, in these chunks.")]
    num_distinct_tokens: int
    effective_tokens: Annotated[
        float, Field(description="1 / the sum of the squared shares: how many tokens, if all had the same share.")
    ]
    main_token_share: Annotated[float, Field(description="The most frequent token's share of the firings.")]
    left_out_tokens: int
    left_out_count: Annotated[int, Field(description="Firings on them.")]
    left_out_sum: Annotated[float, Field(description="The sum of the activations on them.")]


class Place(TypedDict):
    """A token in a text: one window; `tokens` and `token_ints` have one entry per token."""

    row_id: int
    offset: Annotated[int, Field(description="The window's first own token, counted in its row.")]
    idx: Annotated[int, Field(description="The token in the window.")]
    tokens: list[str]
    token_ints: list[int]


class NotFiring(TokenChip):
    """Where a feature does not fire on one of its main tokens."""

    sampled: Annotated[int, Field(description="Occurrences of the token that were drawn at random.")]
    firing: Annotated[int, Field(description="Those of them at which the feature fires.")]
    examples: Annotated[list[Place], Field(description="Some of the others.")]
