"""Answers about features."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict


class Live(TypedDict):
    """What an answer about an unfinished run says besides."""

    live: NotRequired[Annotated[bool, Field(description="True while the run is going; later answers may differ.")]]
    num_records: NotRequired[Annotated[int, Field(description="Rows that the answer is about.")]]


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
    first_counted: Annotated[
        int,
        Field(description="The first token that counts; acts before it are 0, whatever the feature does there."),
    ]
    idx: Annotated[int, Field(description="The token that put this text on the list.")]
    act: Annotated[float, Field(description="acts[idx]")]
    acts: list[float]
    tokens: Annotated[
        list[str],
        Field(description="A character of several tokens is in the first one's string; the others' strings are empty."),
    ]
    token_ints: list[int]
    prompt: Annotated[str, Field(description="The window's text, as the scripts' viewer reads it.")]
    prompt_tokens: Annotated[list[str], Field(description="`tokens`, for the scripts' viewer.")]
    prompt_snippet: Annotated[str, Field(description="The text's beginning, for the scripts' viewer.")]
    count: Annotated[int | None, Field(description="How often this very text occurred; null while the run is going.")]


class Band(TypedDict):
    """The activations of a certain strength, and a few of them, drawn at random, in different texts."""

    above: Annotated[float, Field(description="The activations are larger than this.")]
    up_to: Annotated[float | None, Field(description="And at most this; null if there is no limit.")]
    num_active_tokens: Annotated[int, Field(description="How many there are.")]
    examples: list[Sequence]


class TokensAtPositions(TypedDict):
    """A run's counted tokens at some positions; a token's position is the number of tokens before it."""

    windows: Annotated[Literal["first", "later"], Field(description="A row's first window, or its others.")]
    first: int
    last: Annotated[int | None, Field(description="Null if there is no limit.")]
    num_tokens: Annotated[int, Field(description="Counted tokens of the run there.")]


class PositionRange(TokensAtPositions):
    """How often the feature fires at some positions."""

    num_active_tokens: int


class Positions(TypedDict):
    """Where in its windows a feature fires; a BOS that is prepended is at position 0."""

    early_share: Annotated[float, Field(description="Share of its firings at positions 0 and 1.")]
    early_share_of_tokens: Annotated[float, Field(description="Share of the run's counted tokens there.")]
    cut_share: Annotated[float, Field(description="Share of its firings at positions 0 and 1 of rows' later windows.")]
    cut_share_of_tokens: Annotated[float, Field(description="Share of the run's counted tokens there.")]
    ranges: list[PositionRange]


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


class Elsewhere(TypedDict):
    """A page of another site about what should be the same feature."""

    site: str
    url: str
    verified: Annotated[bool, Field(description="Whether somebody has seen that it is the same feature.")]


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
    num_active_texts: NotRequired[
        Annotated[
            int,
            Field(description="Distinct texts in which it fires; earlier versions of saescope did not count them."),
        ]
    ]
    num_texts: NotRequired[Annotated[int, Field(description="Distinct texts of the run with a counted token.")]]
    metrics: dict[str, float]
    bin_width: float
    hist: Annotated[dict[str, int], Field(description="Counts by bin; bin b is ((b-1)w, bw].")]
    top: list[Sequence]
    random: list[Sequence]
    bands: NotRequired[
        Annotated[
            list[Band],
            Field(description="By strength, the weakest first; earlier versions of saescope did not keep them."),
        ]
    ]
    positions: NotRequired[Annotated[Positions, Field(description="Earlier versions of saescope did not count them.")]]
    tokens: NotRequired[
        Annotated[
            list[FeatureToken],
            Field(description="On which it fires most often; missing in a run of a version without token tables."),
        ]
    ]
    token_spread: NotRequired[TokenSpread]
    not_firing: NotRequired[
        Annotated[list[NotFiring], Field(description="For its most frequent tokens; only of a finished run.")]
    ]
    logit_effects: Annotated[LogitEffects | None, Field(description="Null if there are none; `missing` says why.")]
    neighbours: Annotated[
        list[Neighbour] | None,
        Field(description="Features with the nearest decoder directions, nearest first; null if there are none."),
    ]
    neighbours_elsewhere: NotRequired[NeighboursElsewhere]
    missing: NotRequired[
        Annotated[dict[str, str], Field(description="Why a key is null or missing, in a sentence, by the key.")]
    ]
    elsewhere: NotRequired[list[Elsewhere]]
    explanations: NotRequired[list[Explanation]]
    effects: NotRequired[list[Effect]]
