"""Small made-up features for neuron-to-graph: automata that read tokens and fire by their state; and examples of them.

An automaton is plain data, so that cases can be kept in a file. It can be made to fire on a token, after another one,
at the beginning of a text, or on any mixture of these.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

NUM_TOKENS = 7
PADDING = 6  # a token as the others, for an automaton
NAMES = ("a", "b", "c", "c", " e", "f", " _")  # two tokens have the same string


@dataclass(frozen=True)
class Automaton:
    """In state s, which is 0 before a text, token t leads to the state `following[s][t]`, which fires by `fires`."""

    following: list[list[int]]
    fires: list[float]

    def __call__(self, texts: Sequence[Sequence[int]]) -> list[list[float]]:
        """The activations at each token of some texts."""
        return [self.activations(text) for text in texts]

    def activations(self, text: Sequence[int]) -> list[float]:
        state, found = 0, []
        for token in text:
            state = self.following[state][token]
            found.append(self.fires[state])
        return found


def random_automaton(chooser: random.Random) -> Automaton:
    num_states = chooser.randint(2, 6)
    following = [[chooser.randrange(num_states) for _token in range(NUM_TOKENS)] for _state in range(num_states)]
    fires = [chooser.choice([0.0, 0.0, 0.3, 1.0, 2.5, 4.0, 7.7]) for _state in range(num_states)]
    fires[chooser.randrange(num_states)] = 5.0
    return Automaton(following, fires)


def random_text(chooser: random.Random, most: int = 10) -> list[int]:
    return [chooser.randrange(NUM_TOKENS - 1) for _position in range(chooser.randint(1, most))]


def example(automaton: Automaton, text: list[int], chooser: random.Random) -> dict[str, Any] | None:
    """An example as OpenAI's function takes it; None if the automaton doesn't fire in the text."""
    acts = automaton.activations(text)
    firing = [at for at, act in enumerate(acts) if act > 0]
    if not firing:
        return None
    at = chooser.choice(firing)
    return {"idx": at, "act": acts[at], "acts": acts, "tokens": names(text), "token_ints": text}


def names(text: Sequence[int]) -> list[str]:
    return [NAMES[token] for token in text]


def random_case(seed: int) -> tuple[Automaton, list[dict[str, Any]], list[list[int]]]:
    """An automaton, examples of it, and texts to predict; in every tenth case an example's activation is too large."""
    chooser = random.Random(seed)
    automaton = random_automaton(chooser)
    found = [example(automaton, random_text(chooser), chooser) for _text in range(chooser.randint(0, 8))]
    examples = [one for one in found if one is not None]
    if examples and seed % 10 == 0:
        examples[0] |= {"act": 3 * examples[0]["act"]}
    return automaton, examples, [random_text(chooser, 14) for _text in range(6)]
