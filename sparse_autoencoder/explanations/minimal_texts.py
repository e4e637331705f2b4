"""The shortest texts on which a feature still fires, and which of their tokens matter.

The method is neuron-to-graph (Foote et al. 2023, "Neuron to Graph: Interpreting Language Model Neurons at Scale"), as
OpenAI's explanations.py has it: without putting in other words for those that matter. It knows no model: a function
gives the feature's activations at the tokens of some texts.

1. A text ends at the token on which the feature fires.
2. The shortest end of it is taken in which that token's activation is at least half as large as in the whole text.
3. It may follow other text if the activation is at least half as large behind a padding token, too.
4. A token matters if the activation falls to half or less where a padding token stands in its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
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
    follows_anything: bool  # False: the feature fires on it only at a text's beginning
    matters: list[bool]  # for each of its tokens


def result_of(steps: Steps[Result]) -> Result:
    """Take all steps, and return their result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


def minimal_texts(
    model_fn: ModelFunction, sources: Sequence[Source], padding_token: int, batch_size: int
) -> Steps[list[MinimalText]]:
    """The minimal text of each source.

    Raises SaescopeError if the function's answer doesn't fit what it is asked, or isn't finite.
    """
    ends = yield from _shortest_ends(model_fn, sources, batch_size)
    return (yield from _which_matter(model_fn, sources, ends, padding_token, batch_size))


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


def _which_matter(
    model_fn: ModelFunction, sources: Sequence[Source], ends: Sequence[_End], padding_token: int, batch_size: int
) -> Steps[list[MinimalText]]:
    changed: list[list[int]] = []
    for end in ends:
        changed.append([padding_token, *end.tokens])
        changed += [[*end.tokens[:i], padding_token, *end.tokens[i + 1 :]] for i in range(len(end.tokens))]
    activations: list[float] = []
    for batch in batched(changed, batch_size):
        activations += _last_activations(model_fn, batch)
        yield len(activations), len(changed)
    of_ends, texts = iter(activations), []
    for source, end in zip(sources, ends, strict=True):
        follows_anything = next(of_ends) / source.activation >= HALF
        saliency = [1 - next(of_ends) / end.activation for _token in end.tokens]
        texts.append(
            MinimalText(
                begin=len(source.tokens) - len(end.tokens),
                activation=end.activation,
                reaches_half=end.reaches_half,
                follows_anything=follows_anything,
                matters=[one >= HALF for one in saliency],
            )
        )
    return texts


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
