"""Which of a feature's examples its patterns are made from, and which are held out to score them.

Made from: the strongest examples, and those of the bands of strength, so that weak firings are explained, too. Held
out: the random examples, a uniform sample of all firings, but for those whose text is one that patterns were made from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from sparse_autoencoder.explanations.minimal_texts import Source
from sparse_autoencoder.tokens.token_policy import TokenPolicy

_MOST_STRONGEST = 20
_MOST_OF_BANDS = 16
Window = tuple[int, ...]
"""The token ids of a window, as the model sees them."""


@dataclass(frozen=True)
class Firing:
    """An activation in a window, whose tokens are without BOS."""

    window: Window  # with BOS
    tokens: list[int]
    at: int
    activation: float

    def source(self, most_tokens: int) -> Source:
        """The last tokens up to it, at most so many."""
        return Source(self.tokens[max(self.at + 1 - most_tokens, 0) : self.at + 1], self.activation)


@dataclass(frozen=True)
class DividedExamples:
    """A feature's examples, divided."""

    made_from: list[Firing]
    held_out: list[Firing]
    texts: frozenset[Window]  # that patterns are made from
    share_at_tokens: float  # of the random examples, those not at BOS: it is no token of the text, and not explained

    @classmethod
    def of(cls, record: Mapping[str, Any], policy: TokenPolicy) -> DividedExamples:
        """The examples of a feature's record (RunView.feature), all without those at BOS."""
        bands = [band["examples"] for band in record.get("bands", ())]
        strongest = _firings(record["top"], policy)[:_MOST_STRONGEST]
        others = _firings(chain.from_iterable(reversed(bands)), policy)[:_MOST_OF_BANDS]
        made_from = list({(one.window, one.at): one for one in (*strongest, *others)}.values())
        texts = frozenset(one.window for one in made_from)
        drawn = _firings(record["random"], policy)
        return cls(
            made_from,
            [one for one in drawn if one.window not in texts],
            texts,
            len(drawn) / len(record["random"]) if record["random"] else 0.0,
        )


def _firings(examples: Any, policy: TokenPolicy) -> list[Firing]:
    bos = int(policy.prepends_bos)
    return [
        Firing(
            window=tuple(example["token_ids"]),
            tokens=example["token_ids"][bos:],
            at=example["position"] - bos,
            activation=example["activation"],
        )
        for example in examples
        if example["position"] >= bos
    ]
