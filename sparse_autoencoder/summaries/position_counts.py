"""How often features fire at the beginning of windows: counts by the token's position in its window.

A model sees a window's first tokens without much before them, and a feature that fires mostly there may tell more of
how rows are cut into windows than of the text. A token's position is its place in its window, a BOS that is prepended
being at 0: so many tokens the model saw before it. Positions are counted in a few ranges, which double.

Rows' first windows are counted apart from later ones. A later window may begin anywhere in a sentence, and a BOS before
such a text is what the model never saw in training; in a first window the text does begin there. So the share of a
feature's firings at the beginning of later windows (`cut_share`) tells of the cutting, and the share at the beginning
of any window (`early_share`) of beginnings in general.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.tokens.windows import Windows
from sparse_autoencoder.utils.numpy_array_ops import Ints, ranges

FIRST_POSITIONS = (0, 1, 2, 4, 8, 16, 32)
"""The first position of each range: the ranges are 0, 1, 2 to 3, 4 to 7, 8 to 15, 16 to 31, and from 32 on."""

KINDS: tuple[Literal["first", "later"], ...] = ("first", "later")
"""Of windows: a row's first one, and its others."""

PLACES = len(KINDS) * len(FIRST_POSITIONS)
EARLY = 2
"""So many ranges are "early": positions 0 and 1, a BOS and the token after it."""


@dataclass(frozen=True)
class PositionCounts:
    """Counted tokens, and how many of them a feature fires at, by kind of window and range of positions."""

    tokens: Ints  # [kinds, ranges]
    count: Ints  # [kinds, ranges, features]

    @classmethod
    def empty(cls, n_features: int) -> PositionCounts:
        """The counts of no tokens."""
        return cls.of_places(np.zeros(PLACES, np.int64), np.zeros((PLACES, n_features), np.int64))

    @classmethod
    def of_places(cls, tokens: Ints, count: Ints) -> PositionCounts:
        """From counts by place: [places] and [places, features], or flat (`token_places`)."""
        shape = len(KINDS), len(FIRST_POSITIONS)
        return cls(tokens.reshape(shape), count.reshape(*shape, -1))

    def merge(self, other: PositionCounts) -> PositionCounts:
        """The counts of these tokens and of others."""
        return PositionCounts(self.tokens + other.tokens, self.count + other.count)

    def early_share(self) -> NDArray[np.float64]:
        """The share of each feature's firings that are early: [features]; 0 for a feature that never fired."""
        return self._share(self.count[:, :EARLY])

    def cut_share(self) -> NDArray[np.float64]:
        """The share of each feature's firings that are early in a row's later windows: [features]."""
        return self._share(self.count[1:, :EARLY])

    def early_share_of_tokens(self) -> float:
        """The share of the counted tokens that are early: what a feature has that fires anywhere."""
        return float(self.tokens[:, :EARLY].sum() / max(int(self.tokens.sum()), 1))

    def cut_share_of_tokens(self) -> float:
        """The share of the counted tokens that are early in a row's later windows."""
        return float(self.tokens[1:, :EARLY].sum() / max(int(self.tokens.sum()), 1))

    def _share(self, count: Ints) -> NDArray[np.float64]:
        fired = self.count.sum(axis=(0, 1))
        share: NDArray[np.float64] = count.sum(axis=(0, 1)) / np.maximum(fired, 1)
        return share


def token_places(block: Windows) -> Ints:
    """The place of each of a block's tokens, counted or not: its kind of window and range of positions as one number.

    It is kind * len(FIRST_POSITIONS) + range: [tokens].
    """
    lengths = block.lengths
    position = ranges(np.zeros(len(block), np.int64), lengths)
    number = np.searchsorted(FIRST_POSITIONS, position, side="right") - 1
    return number + np.repeat((block.numbers > 0) * len(FIRST_POSITIONS), lengths)


def counted_tokens(block: Windows) -> Ints:
    """How many of a block's counted tokens are at each place: [places]."""
    counted = block.counted_tokens
    return np.bincount(token_places(block)[counted], minlength=PLACES)
