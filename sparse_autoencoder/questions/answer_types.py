"""What is answered to questions about a run's models (question_types.py): as JSON, in parts.

An answer comes in parts, of which the last is a `Result` or a `Problem`. The API adds to a result what the run's files
know of the features in it.
"""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

LOADING = "loading the models"  # what progress says while that is done, which can't be stopped


class Progress(TypedDict):
    """How far an answer is."""

    done: int
    of: Annotated[int, Field(description="0 if that isn't known yet.")]
    what: Annotated[str, Field(description="What is being done, for people to read.")]


class Problem(TypedDict):
    """Why there is no answer."""

    status: Annotated[int, Field(description="The HTTP status that says the same.")]
    error: Annotated[str, Field(description="A sentence: what is wrong, and what to do.")]


class Part(TypedDict):
    """A part of an answer: one of these."""

    progress: NotRequired[Progress]
    piece: NotRequired[dict[str, Any]]  # of a result that comes piece by piece: ExampleEffects, or GeneratedToken
    result: NotRequired[dict[str, Any]]
    problem: NotRequired[Problem]


def is_last(part: Part) -> bool:
    """Whether nothing comes after this part."""
    return "result" in part or "problem" in part


# -- encode_text, encode_row -------------------------------------------------------------------------------------------


class FeatureInText(TypedDict):
    """Where a feature fires in a text."""

    feature_id: int
    at: Annotated[list[int], Field(description="The tokens at which it fires, ascending; -1: the marker before them.")]
    values: Annotated[list[float], Field(description="Its activation at each of them.")]


class EncodedText(TypedDict):
    """A text's tokens, and all features that fire at those that count, by the same windows as the run's rows."""

    tokens: Annotated[list[str], Field(description="Without markers before the text.")]
    token_ints: list[int]
    first: Annotated[int, Field(description="The first of these tokens, counted in the whole text or row.")]
    num_tokens: Annotated[int, Field(description="Of the whole text or row.")]
    windows: Annotated[list[int], Field(description="The first of these tokens that each window counts.")]
    features: Annotated[list[FeatureInText], Field(description="By their largest activation, largest first.")]


# -- ablate_feature ----------------------------------------------------------------------------------------------------


class PushedTokens(TypedDict):
    """The tokens that a feature's activation pushes up or down most, at one prediction."""

    token_ids: list[int]
    tokens: list[str]
    by: Annotated[list[float], Field(description="How much higher each is with the activation than without it.")]


class PredictionEffects(TypedDict):
    """What a feature's activation does to one prediction."""

    up_logits: PushedTokens
    down_logits: PushedTokens
    up_probs: PushedTokens
    down_probs: PushedTokens


class ExampleEffects(TypedDict):
    """What a feature's activation at the boxed token of an example does to the predictions from there on.

    The lists have an entry for each token of the window but the last: entry t is about the prediction of token t + 1,
    made at token t. Before the boxed token everything is 0.
    """

    row_id: int
    offset: Annotated[int, Field(description="The window's first own token, counted in its row.")]
    idx: Annotated[int, Field(description="The boxed token.")]
    act: Annotated[float, Field(description="The activation that is set to 0.")]
    loss_change: Annotated[
        list[float],
        Field(description="By how many nats the next token is predicted worse without the activation."),
    ]
    kl: Annotated[list[float], Field(description="KL(with || without) of each prediction, in nats.")]
    direct_loss_change: Annotated[
        list[float],
        Field(description="The same as loss_change if only the final norm and the unembedding see the difference."),
    ]
    pushed: Annotated[list[PredictionEffects], Field(description="From the boxed token on: entry 0 is entry idx.")]


class FeatureEffects(TypedDict):
    """What a feature does to later predictions, in its shown examples."""

    feature_id: int
    examples: list[ExampleEffects]


# -- steer -------------------------------------------------------------------------------------------------------------


class GeneratedToken(TypedDict):
    """A token of a generated text, as it is generated."""

    steered: bool
    token_id: int
    token: Annotated[str, Field(description="Empty while a character isn't complete.")]
    log_prob: Annotated[float, Field(description="Its log probability when it was generated, in nats, temperature 1.")]


class GeneratedText(TypedDict):
    """A generated text."""

    text: Annotated[str, Field(description="Without the prompt.")]
    token_ids: list[int]
    tokens: list[str]
    log_probs: list[float]
    unsteered_log_probs: Annotated[list[float], Field(description="What the unsteered model gives the same tokens.")]
    unsteered_perplexity: Annotated[
        float | None,
        Field(description="exp of their mean, negated: high for what is no language; null without tokens."),
    ]


class SteeredTexts(TypedDict):
    """A prompt continued with a feature steered, and without."""

    feature_id: int
    prompt: str
    steered: GeneratedText
    plain: GeneratedText


# -- explain_by_graph --------------------------------------------------------------------------------------------------


class GraphNode(TypedDict):
    """A token of a pattern, read from the token that the feature fires on backwards."""

    token: Annotated[str | None, Field(description="Null: any token.")]
    token_id: int | None
    is_start: NotRequired[Annotated[bool, Field(description="The text's beginning, instead of a token.")]]
    activation: NotRequired[Annotated[float, Field(description="Predicted where a pattern ends here.")]]
    before: list[GraphNode]


class GraphScores(TypedDict):
    """How well the patterns predict the feature, on examples and rows that they weren't made from."""

    num_examples: Annotated[int, Field(description="Held-out activations that were drawn at random.")]
    num_rows: Annotated[int, Field(description="Rows of the run that were drawn besides.")]
    num_tokens: Annotated[int, Field(description="Their tokens.")]
    recall: Annotated[float | None, Field(description="Share of the feature's firings that are predicted.")]
    precision: Annotated[float | None, Field(description="Share of the predicted firings that are some.")]
    explained: Annotated[float | None, Field(description="1 - E[(a - predicted)²] / E[a²], over those tokens.")]


class FeatureGraph(TypedDict):
    """A neuron-to-graph explanation of a feature."""

    feature_id: int
    num_sources: Annotated[int, Field(description="The examples that it was made from.")]
    roots: list[GraphNode]
    scores: GraphScores
    explanation: Annotated[dict[str, Any], Field(description="In the form of OpenAI's explanations.py.")]
