"""Answers that take a run's models: what fires in a text, what a feature does, and which patterns it fires on.

What is answered in parts is JSON Lines: each line is one of the keys of a Part, the last line a result or a problem.
"""

from typing import Annotated, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from services.api.response_types.features import Live, TokenChip
from sparse_autoencoder.questions.answer_types import (
    ExampleEffects,
    FeatureEffects,
    FeatureGraph,
    FeatureInText,
    GeneratedToken,
    SteeredTexts,
)
from sparse_autoencoder.questions.question_types import MOST_CHARACTERS, MOST_NEW_TOKENS


class ModelsState(TypedDict):
    """Whether runs' models can be asked here."""

    can_ask: bool
    why_not: Annotated[str | None, Field(description="A sentence, with what to do; null if they can.")]


class TextToEncode(BaseModel):
    """A text."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]


class EncodedFeature(FeatureInText):
    """A feature that fires in a text, and what it does in the run."""

    largest: Annotated[float, Field(description="Its largest activation here.")]
    largest_at: Annotated[int, Field(description="The token where that is; -1: the marker before the text.")]
    max_activation: Annotated[float, Field(description="Its largest activation in the run.")]
    density: Annotated[float, Field(description="Share of the run's counted tokens with activation > 0.")]
    stronger_than: Annotated[
        float | None,
        Field(
            description="Share of its activations in the run that are certainly smaller than `largest`: those in lower "
            "bins of its histogram, or all of them if it is larger than `max_activation`; null if it never fires there."
        ),
    ]
    tokens: Annotated[
        list[TokenChip],
        Field(description="Where its examples are strongest, each token once; empty beyond the first 2,000 features."),
    ]


class Encoded(Live):
    """The tokens of a text, or of a stretch of a row, and all features that fire there."""

    run: str
    row_id: Annotated[int | None, Field(description="Null for a text that was given.")]
    tokens: Annotated[list[str], Field(description="Without markers before the text.")]
    token_ints: list[int]
    first: Annotated[int, Field(description="The first of these tokens, counted in the whole text or row.")]
    num_tokens: Annotated[int, Field(description="Of the whole text or row.")]
    windows: Annotated[list[int], Field(description="The first of these tokens that each window counts.")]
    features: Annotated[list[EncodedFeature], Field(description="By `largest`, largest first.")]


class TextToSteer(BaseModel):
    """A prompt that is continued with a feature turned up or down, and without."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    feature_id: Annotated[int, Field(ge=0)]
    prompt: Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]
    mode: Annotated[
        Literal["set", "add"], Field(description="Set the activation to `strength`, or raise it by that.")
    ] = "set"
    strength: Annotated[float, Field(description="In units of the feature's activation.")]
    num_tokens: Annotated[int, Field(ge=1, le=MOST_NEW_TOKENS, description="How many to generate, at most.")] = 40
    temperature: Annotated[float, Field(ge=0, le=10, description="0: the likeliest token each time.")] = 0.0
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0


class AnswerProgress(TypedDict):
    """How far an answer is."""

    done: int
    of: Annotated[int, Field(description="0 if that isn't known yet.")]
    what: Annotated[str, Field(description="What is being done, for people to read.")]


class WhyNot(TypedDict):
    """Why an answer ends without a result."""

    status: Annotated[int, Field(description="The HTTP status that says the same.")]
    error: Annotated[str, Field(description="A sentence: what is wrong, and what to do.")]


class EffectsPart(TypedDict):
    """A part of the answer about a feature's effects: one of these."""

    progress: NotRequired[AnswerProgress]
    piece: NotRequired[Annotated[ExampleEffects, Field(description="The effects of one example.")]]
    result: NotRequired[Annotated[FeatureEffects, Field(description="All examples, at the end.")]]
    problem: NotRequired[WhyNot]


class SteeringPart(TypedDict):
    """A part of the answer to steering: one of these."""

    progress: NotRequired[AnswerProgress]
    piece: NotRequired[Annotated[GeneratedToken, Field(description="A token of one of the two texts.")]]
    result: NotRequired[Annotated[SteeredTexts, Field(description="Both texts, at the end.")]]
    problem: NotRequired[WhyNot]


class GraphPart(TypedDict):
    """A part of the answer about a feature's patterns: one of these."""

    progress: NotRequired[AnswerProgress]
    result: NotRequired[Annotated[FeatureGraph, Field(description="The patterns and their scores, at the end.")]]
    problem: NotRequired[WhyNot]


class KeptEffects(FeatureEffects):
    """What was computed of a feature's effects."""

    run: str


class KeptGraph(FeatureGraph):
    """What was computed of a feature's patterns."""

    run: str
