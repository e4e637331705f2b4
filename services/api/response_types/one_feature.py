"""Answers about one feature: its examples, and OpenAI's FeatureInfo with a few more keys."""

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from services.api.response_types.features import Live
from services.api.response_types.positions import Positions
from services.api.response_types.tokens import FeatureToken, NotFiring, TokenSpread
from services.api.response_types.weights import LogitEffects, Neighbour, NeighboursElsewhere


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
