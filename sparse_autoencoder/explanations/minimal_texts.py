"""The shortest texts on which a feature still fires, and which of their tokens matter.

The method is neuron-to-graph (Foote et al. 2023, "Neuron to Graph: Interpreting Language Model Neurons at Scale"), as
OpenAI's explanations.py has it: without putting in other words for those that matter. It knows no model: a function
gives the feature's activations at the tokens of some texts.

1. A text ends at the token on which the feature fires.
2. The shortest end of it is taken in which that token's activation is at least half as large as in the whole text.
3. It may follow other text if the activation is at least half as large behind a padding token, too. A model may never
   have seen such a token there; so one may also ask for the token that comes before it in the whole text.
4. A token matters if the activation falls to half or less where a padding token stands in its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.explanations.batches import batched

HALF = 0.5
ModelFunction = Callable[[list[list[int]]], Sequence[Sequence[float]]]
"""The feature's activation at each token of texts, each given as a list of token ids."""

Result = TypeVar("Result")
Steps = Generator[tuple[int, int], None, Result]
"""Yields how much is done, and of how much; returns the result."""


@dataclass(frozen=True)
class Source:
    """A text that ends at a token on which the feature fires, and the activation there."""

    tokens: list[int]
    activation: float

    def __post_init__(self) -> None:
        if not self.tokens:
            raise SaescopeError("an example without tokens explains nothing: leave it out")
        if not (math.isfinite(self.activation) and self.activation > 0):
            raise SaescopeError(
                f"an example's activation is {self.activation}, and only what fires can be explained: "
                "take examples with a finite activation above 0"
            )


@dataclass(frozen=True)
class MinimalText:
    """The shortest end of a source in which the feature still fires."""

    begin: int  # its first token in the source
    activation: float  # at its end; the source's own if no end of it reaches half of that
    reaches_half: bool  # False: no end of the source did, and this is all of it
    follows_padding: bool  # whether the feature fires on it behind a padding token,
    follows_own: bool  # and behind the token before it in the source, if that was asked for
    matters: list[bool]  # for each of its tokens

    @property
    def only_at_start(self) -> bool:
        """Whether the feature fires on it at a text's beginning only, as far as that was asked for."""
        return not (self.follows_padding or self.follows_own)


def result_of(steps: Steps[Result]) -> Result:
    """Take all steps, and return their result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


def minimal_texts(
    model_fn: ModelFunction,
    sources: Sequence[Source],
    padding_token: int,
    batch_size: int,
    *,
    ask_for_own: bool = False,
) -> Steps[list[MinimalText]]:
    """The minimal text of each source; `ask_for_own`: ask for the token before it in the source, too.

    Raises SaescopeError if the function's answer doesn't fit what it is asked, or isn't finite.
    """
    ends = yield from _shortest_ends(model_fn, sources, batch_size)
    changed = [_changed(source, end, padding_token, ask_for_own) for source, end in zip(sources, ends, strict=True)]
    activations = iter((yield from _all_last_activations(model_fn, list(chain.from_iterable(changed)), batch_size)))
    return [
        _minimal_text(source, end, [next(activations) for _text in own])
        for source, end, own in zip(sources, ends, changed, strict=True)
    ]


@dataclass(frozen=True)
class _End:
    tokens: list[int]
    activation: float
    reaches_half: bool


def _shortest_ends(model_fn: ModelFunction, sources: Sequence[Source], batch_size: int) -> Steps[list[_End]]:
    """The shortest end of each source; all sources are tried in step, so that they make batches."""
    found: dict[int, _End] = {}
    length = 0
    while len(found) < len(sources):
        length += 1
        asked = {number: source.tokens[-length:] for number, source in enumerate(sources) if number not in found}
        for batch in batched(asked.items(), batch_size):
            activations = _last_activations(model_fn, [tokens for _number, tokens in batch])
            for (number, tokens), activation in zip(batch, activations, strict=True):
                source = sources[number]
                if activation / source.activation >= HALF:
                    found[number] = _End(tokens, activation, reaches_half=True)
                elif len(tokens) == len(source.tokens):
                    found[number] = _End(tokens, source.activation, reaches_half=False)
            yield len(found), len(sources)
    return [found[number] for number in range(len(sources))]


def _changed(source: Source, end: _End, padding_token: int, ask_for_own: bool) -> list[list[int]]:
    """An end with a padding token in the place of each of its tokens, behind one, and behind its own token before."""
    tokens = end.tokens
    replaced = [[*tokens[:i], padding_token, *tokens[i + 1 :]] for i in range(len(tokens))]
    asks = ask_for_own and len(tokens) < len(source.tokens)
    own = [[source.tokens[-len(tokens) - 1], *tokens]] if asks else []
    return [*replaced, [padding_token, *tokens], *own]


def _minimal_text(source: Source, end: _End, activations: list[float]) -> MinimalText:
    """What the activations at the ends of the changed texts say."""
    length = len(end.tokens)
    saliency = [1 - activation / end.activation for activation in activations[:length]]
    follows = [activation / source.activation >= HALF for activation in activations[length:]]
    return MinimalText(
        begin=len(source.tokens) - length,
        activation=end.activation,
        reaches_half=end.reaches_half,
        follows_padding=follows[0],
        follows_own=any(follows[1:]),
        matters=[one >= HALF for one in saliency],
    )


def _all_last_activations(model_fn: ModelFunction, texts: list[list[int]], batch_size: int) -> Steps[list[float]]:
    activations: list[float] = []
    for batch in batched(texts, batch_size):
        activations += _last_activations(model_fn, batch)
        yield len(activations), len(texts)
    return activations


def _last_activations(model_fn: ModelFunction, texts: list[list[int]]) -> list[float]:
    """The activations at the last tokens of texts."""
    answers = model_fn(texts)
    if len(answers) != len(texts):
        raise SaescopeError(f"the model function gave {len(answers)} answers to {len(texts)} texts: one each is needed")
    last = []
    for text, activations in zip(texts, answers, strict=True):
        if len(activations) != len(text):
            raise SaescopeError(
                f"the model function gave {len(activations)} activations to a text of {len(text)} tokens: "
                "one for each is needed"
            )
        last.append(float(activations[-1]))
        if not math.isfinite(last[-1]):
            raise SaescopeError(f"the model function gave the activation {last[-1]}: only finite ones can be compared")
    return last
