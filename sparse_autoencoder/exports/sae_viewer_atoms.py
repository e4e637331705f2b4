"""A feature as OpenAI's viewer reads it: the content of `atoms/{i}.json`, and with effects of `atoms/{i}-ablated.json`.

The fields are those of its types.ts (sae-viewer in github.com/openai/sparse_autoencoder). What its pages need besides:
the histogram has at least one bin, also if the feature never fired; the ablation's lists have an entry for each token
but the first, where entry j is about the prediction of token j + 1; all four lists of tokens of an entry are equally
long, and there are numbers before the ablated token, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.questions.answer_types import ExampleEffects, FeatureEffects, PushedTokens
from sparse_autoencoder.reading.moments import moments_of
from sparse_autoencoder.reading.run_view import RunView

Example = dict[str, Any]


class AtomSequence(TypedDict):
    """A text: one window. The lists of the ablation have an entry for each prediction: each token but the first."""

    density: Annotated[float, Field(description="Share of its tokens at which the feature fires.")]
    doc_id: Annotated[int, Field(description="The row.")]
    idx: Annotated[int, Field(description="The token that put this text on the list; the one that is ablated.")]
    acts: list[float]
    act: Annotated[float, Field(description="acts[idx]")]
    tokens: list[str]
    token_ints: list[int]
    ablate_loss_diff: NotRequired[
        Annotated[
            list[float],
            Field(description="The loss with the activation minus the loss without it: negative where it helps."),
        ]
    ]
    kl: NotRequired[Annotated[list[float], Field(description="KL(with || without), in nats.")]]
    top_upvote_tokens_logits: NotRequired[list[list[str]]]
    top_upvotes_logits: NotRequired[list[list[float]]]
    top_downvote_tokens_logits: NotRequired[list[list[str]]]
    top_downvotes_logits: NotRequired[list[list[float]]]
    top_upvote_tokens_probs: NotRequired[list[list[str]]]
    top_upvotes_probs: NotRequired[list[list[float]]]
    top_downvote_tokens_probs: NotRequired[list[list[str]]]
    top_downvotes_probs: NotRequired[list[list[float]]]


class Atom(TypedDict):
    """A feature as OpenAI's viewer reads it."""

    density: Annotated[float, Field(description="E[a > 0], over all counted tokens, as the other moments.")]
    mean_act: Annotated[float, Field(description="E[a]")]
    mean_act_squared: Annotated[float, Field(description="E[a²]")]
    skew: Annotated[float, Field(description="E[a³] / E[a²]^1.5")]
    kurtosis: Annotated[float, Field(description="E[a⁴] / E[a²]²")]
    hist: Annotated[dict[str, int], Field(description="Counts by bin; bin b is ((b-1)w, bw] with w = 0.2.")]
    random: list[AtomSequence]
    top: list[AtomSequence]


def atom(run: RunView, feature_id: int, effects: FeatureEffects | None = None) -> Atom:
    """A feature of a run, with effects in those of its examples for which they are given.

    Raises KeyError for an unknown feature, SaescopeError for effects that are of other examples.
    """
    record, moments = run.feature(feature_id), moments_of(run, feature_id)
    by_place = (
        {} if effects is None else {(one["row_id"], one["offset"], one["idx"]): one for one in effects["examples"]}
    )
    return {
        "density": moments.density,
        "mean_act": moments.mean,
        "mean_act_squared": moments.mean_square,
        "skew": moments.skew,
        "kurtosis": moments.kurtosis,
        "hist": {str(entry["bin"]): entry["count"] for entry in record["histogram"]} or {"0": 0},
        "random": [_sequence(example, by_place) for example in record["random"]],
        "top": [_sequence(example, by_place) for example in record["top"]],
    }


def _sequence(example: Example, effects: Mapping[tuple[int, int, int], ExampleEffects]) -> AtomSequence:
    acts, idx = example["activations"], example["position"]
    sequence: AtomSequence = {
        "density": (len(acts) - acts.count(0.0)) / len(acts),
        "doc_id": example["row_id"],
        "idx": idx,
        "acts": acts,
        "act": acts[idx],
        "tokens": example["tokens"],
        "token_ints": example["token_ids"],
    }
    found = effects.get((example["row_id"], example["window_offset"], idx))
    if found is not None:
        _check_fits(found, len(acts))
        _add_effects(sequence, found)
    return sequence


def _check_fits(effects: ExampleEffects, num_tokens: int) -> None:
    """Raise SaescopeError unless effects have an entry for each prediction of a window with so many tokens."""
    predictions = num_tokens - 1
    if not len(effects["loss_change"]) == len(effects["kl"]) == len(effects["pushed"]) + effects["idx"] == predictions:
        raise SaescopeError(
            f"the kept effects of row {effects['row_id']} are of another window than the example: remove them, and "
            "compute them again"
        )


def _add_effects(sequence: AtomSequence, effects: ExampleEffects) -> None:
    before: list[Any] = [[] for _ in range(effects["idx"])]  # predictions that the ablation can't change
    pushed = [
        _equally_long(one["up_logits"], one["down_logits"], one["up_probs"], one["down_probs"])
        for one in effects["pushed"]
    ]

    def tokens(which: int) -> list[list[str]]:
        return [*before, *(one[which]["tokens"] for one in pushed)]

    def numbers(which: int) -> list[list[float]]:
        return [*before, *(one[which]["by"] for one in pushed)]

    # the viewer paints -ablate_loss_diff, so what the activation makes likelier is green
    sequence["ablate_loss_diff"] = [-change if change else 0.0 for change in effects["loss_change"]]
    sequence["kl"] = effects["kl"]
    sequence["top_upvote_tokens_logits"], sequence["top_upvotes_logits"] = tokens(0), numbers(0)
    sequence["top_downvote_tokens_logits"], sequence["top_downvotes_logits"] = tokens(1), numbers(1)
    sequence["top_upvote_tokens_probs"], sequence["top_upvotes_probs"] = tokens(2), numbers(2)
    sequence["top_downvote_tokens_probs"], sequence["top_downvotes_probs"] = tokens(3), numbers(3)


def _equally_long(*lists: PushedTokens) -> tuple[PushedTokens, ...]:
    """The lists cut to the shortest one: the viewer makes one table of all of them, a row for each place."""
    most = min(len(one["by"]) for one in lists)
    return tuple(
        {"token_ids": one["token_ids"][:most], "tokens": one["tokens"][:most], "by": one["by"][:most]} for one in lists
    )
