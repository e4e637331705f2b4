"""The protocols that summarise_numpy.py and summarise_torch.py implement to summarise a block, and shared parts.

A block is a sequence of consecutive windows. Its activations are sorted by (feature, token), which gives sums and
histograms. Those that can become examples are also sorted by (feature, activation) and by (feature, draw), and each
row's by activation. This file doesn't import torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.summaries.exact_sums import Scale
from sparse_autoencoder.summaries.example_order import token_draws
from sparse_autoencoder.summaries.feature_summary import SummarySpec
from sparse_autoencoder.summaries.text_sums import RowCounts, RowTexts, TextSums
from sparse_autoencoder.summaries.token_table import TokenTable
from sparse_autoencoder.summaries.unrounded_summary import UnroundedSummary
from sparse_autoencoder.tokens.windows import Windows
from sparse_autoencoder.utils.numpy_array_ops import Ints, Keys, Mask

BLOCK_TOKENS = 65_536  # larger blocks need more memory, but are merged less often
Number = TypeVar("Number", bound=np.generic)
LAST_BIN = 2**31 - 1  # of a histogram; larger values are counted in it too


class Summariser(Protocol):
    """Reduces the activations of one block, or of a part of a block."""

    def unrounded(self) -> UnroundedSummary:
        """The summary, with sums that are not rounded yet."""

    def row_features(self, per_row: int) -> RowFeatures:
        """Each row's strongest features, at most `per_row`; ties go to the smaller feature, then the earlier token."""

    def token_table(self) -> TokenTable:
        """The table of the tokens that features fire on, without OCCURRENCES."""

    def active_at(self, tokens: Ints) -> tuple[Ints, NDArray[np.int32]]:
        """The features that fire at some of the part's tokens, given by distinct indices.

        They are flat, by ascending id for each token; the first array says where each token's begin: [tokens + 1].
        """

    def text_sums(self, rows: RowTexts) -> tuple[TextSums, RowCounts]:
        """The sums over texts of the chunk's rows that are whole in this part, and the counts of the other rows."""


class Activations(Protocol):
    """The positive activations at a block's counted tokens, in numpy arrays or on a device."""

    out_of_memory: ClassVar[tuple[type[BaseException], ...]]  # raised if there is not enough memory

    def __len__(self) -> int:
        """The number of activations."""

    def summariser(self, block: Windows, spec: SummarySpec, scale: Scale | None = None) -> Summariser:
        """A summariser of them. `scale` is the whole block's, if these are a part of one.

        Raises SaescopeError if an activation isn't finite.
        """

    def maxima(self, n_features: int) -> NDArray[np.float32]:
        """Each feature's largest activation [features], 0 for a feature without activations."""

    def between(self, begin: int, end: int) -> Activations:
        """The activations at tokens `begin` to `end` (exclusive), with tokens renumbered from 0."""


@dataclass(frozen=True)
class RowFeatures:
    """Rows' strongest features, flat: grouped by row, strongest first, with the token of the largest activation."""

    row_id: Ints
    feature: NDArray[np.int32]
    value: NDArray[np.float32]
    window: NDArray[np.int32]
    position: NDArray[np.int32]


def not_finite(block: Windows) -> SaescopeError:
    """The error that an activation of this block isn't finite."""
    return SaescopeError(
        f"the autoencoder's activations are not finite in the rows {block.row_ids[0]} to {block.row_ids[-1]}: "
        "try a higher --precision, and check the checkpoint"
    )


def token_windows(block: Windows) -> NDArray[np.int32]:
    """Each token's window, by its index in the block: [tokens]."""
    return np.repeat(np.arange(len(block), dtype=np.int32), block.lengths)


def block_draws(block: Windows, window_of_token: NDArray[np.int32], seed: int) -> Keys:
    """Each token's draw (see `token_draws`): [tokens]."""
    position = np.arange(len(block.tokens)) - block.starts[window_of_token]
    return token_draws(seed, block.row_ids[window_of_token], block.numbers[window_of_token], position)


def row_numbers(block: Windows) -> Ints:
    """Each window's row, with rows numbered from 0 in the block: [windows]."""
    rows = block.row_ids
    return np.cumsum(np.concatenate([[0], rows[1:] != rows[:-1]]))[: len(rows)]


def first_occurrences(block: Windows) -> Mask:
    """Mask of the windows whose token ids no earlier window of the block has."""
    first = np.zeros(len(block), bool)
    first[np.unique(block.token_hashes, return_index=True)[1]] = True
    return first
