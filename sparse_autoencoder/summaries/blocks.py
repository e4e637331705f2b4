"""One block of windows and its sparse activations -> the block's summary.

A block is a run of windows. Its activations are sorted by (feature, token), from which sums and histograms follow;
those that can be examples by (feature, strength) and by (feature, draw), and each row's by strength. The sorting is a
stable radix sort by 16-bit digits, linear in the number of activations (see `stable_argsort`).
This file is numpy only; where activations come from and where summaries go it doesn't know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.summaries.exact_sums import Scale
from sparse_autoencoder.summaries.example_order import token_draws
from sparse_autoencoder.summaries.summary import SummarySpec
from sparse_autoencoder.summaries.unrounded_sums import Unrounded
from sparse_autoencoder.tokens.windows import Windows
from sparse_autoencoder.utils.arrays import Ints, Keys, Mask

BLOCK_TOKENS = 65_536  # what is sorted at once; larger blocks need more memory and merge less often
Number = TypeVar("Number", bound=np.generic)
LAST_BIN = 2**31 - 1  # of a histogram: what is beyond counts there


class Summariser(Protocol):
    """Reduces the activations of one block, or of a part of one."""

    def unrounded(self, num_tokens: int) -> Unrounded:
        """What it contributes to the block's summary; `num_tokens` of its tokens are counted."""

    def row_features(self, per_row: int) -> RowFeatures:
        """Each row's strongest features, at most `per_row`; ties go to the smaller feature, then the earlier token."""


class Activations(Protocol):
    """The positive activations at a block's counted tokens, wherever they are."""

    out_of_memory: ClassVar[tuple[type[BaseException], ...]]  # what is raised where there is no memory for them

    def __len__(self) -> int:
        """How many there are."""

    def summariser(self, block: Windows, spec: SummarySpec, scale: Scale | None = None) -> Summariser:
        """What reduces them; raises SaescopeError if one isn't finite. `scale`: of the block, if this is a part."""

    def maxima(self, n_features: int) -> NDArray[np.float32]:
        """Each feature's largest activation, 0 where it has none; [features]."""

    def between(self, begin: int, end: int) -> Activations:
        """Those at the tokens from `begin` to before `end`, which are then counted from 0."""


@dataclass(frozen=True)
class RowFeatures:
    """Rows' strongest features, flat: grouped by row, strongest first; each with a token where it is that strong."""

    row_id: Ints
    feature: NDArray[np.int32]
    value: NDArray[np.float32]
    window: NDArray[np.int32]
    position: NDArray[np.int32]


def not_finite(block: Windows) -> SaescopeError:
    """The error of activations that aren't finite."""
    return SaescopeError(
        f"the autoencoder's activations are not finite in the rows {block.row_ids[0]} to {block.row_ids[-1]}: "
        "try a higher --precision, and check the checkpoint"
    )


def token_windows(block: Windows) -> NDArray[np.int32]:
    """The window (its number in the block) of each of a block's tokens."""
    return np.repeat(np.arange(len(block), dtype=np.int32), block.lengths)


def block_draws(block: Windows, window_of_token: NDArray[np.int32], seed: int) -> Keys:
    """The draw of each of a block's tokens (see `token_draws`)."""
    position = np.arange(len(block.tokens)) - block.starts[window_of_token]
    return token_draws(seed, block.row_ids[window_of_token], block.numbers[window_of_token], position)


def row_numbers(block: Windows) -> Ints:
    """Each window's row, counted from 0 in the block."""
    rows = block.row_ids
    return np.cumsum(np.concatenate([[0], rows[1:] != rows[:-1]]))[: len(rows)]


def first_of_texts(block: Windows) -> Mask:
    """Mask of the windows whose tokens no earlier window of the block has."""
    first = np.zeros(len(block), bool)
    first[np.unique(block.texts, return_index=True)[1]] = True
    return first
