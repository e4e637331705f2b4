"""A few occurrences of each token, drawn at random, with all features that fire there: they show where one does not.

Kept are the PER_TOKEN occurrences with the smallest draws (see example_order.token_draws), at counted positions. So the
sample of a dataset is the same however it is cut, and whatever order its parts are merged in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.summaries.summariser_interface import Summariser, block_draws, token_windows
from sparse_autoencoder.summaries.token_table import TokenTable, table_of_occurrences
from sparse_autoencoder.tokens.windows import Windows
from sparse_autoencoder.utils.numpy_array_ops import Ints, Keys, Mask, group_starts, ranges, rank_in_group, starts_of

PER_TOKEN = 8


@dataclass(frozen=True)
class TokenSamples:
    """Sampled occurrences, sorted by (token, draw, row, window, position); arrays [occurrences] unless said."""

    token: NDArray[np.int32]  # token id
    draw: Keys
    row_id: Ints
    window: NDArray[np.int32]  # the window's index in its row
    position: NDArray[np.int32]  # in the window
    starts: Ints  # [occurrences + 1], where each occurrence's features begin in `feature`
    feature: NDArray[np.int32]  # the features that fire there, by ascending id; flat

    def __len__(self) -> int:
        return len(self.token)

    @classmethod
    def empty(cls) -> TokenSamples:
        """The sample of no tokens."""
        small, wide = np.zeros(0, np.int32), np.zeros(0, np.int64)
        return cls(small, np.zeros(0, np.uint64), wide, small, small, np.zeros(1, np.int64), small)

    @classmethod
    def merged(cls, samples: Sequence[TokenSamples]) -> TokenSamples:
        """The sample of all tokens that these samples are of."""
        every = [cls.empty(), *samples]
        token, row_id, window, position, feature = (
            np.concatenate([getattr(one, name) for one in every])
            for name in ("token", "row_id", "window", "position", "feature")
        )
        draw = np.concatenate([one.draw for one in every])
        starts = starts_of(np.concatenate([np.diff(one.starts) for one in every]))
        order = smallest_draws(token, draw, row_id, window, position)
        return cls(token, draw, row_id, window, position, starts, feature).take(order)

    def take(self, index: Ints | Mask) -> TokenSamples:
        """Some of the occurrences; their order must stay."""
        index = np.flatnonzero(index) if index.dtype == bool else index
        lengths = np.diff(self.starts)[index]
        return TokenSamples(
            self.token[index],
            self.draw[index],
            self.row_id[index],
            self.window[index],
            self.position[index],
            starts_of(lengths),
            self.feature[ranges(self.starts[index], lengths)],
        )

    def slots(self) -> Ints:
        """Each occurrence's rank among those of its token, from 0."""
        return rank_in_group(group_starts(self.token), len(self))

    def reaching(self, kept: TokenSamples) -> TokenSamples:
        """The occurrences that may be among the first PER_TOKEN of their token beside these."""
        if not len(kept):
            return self
        starts = group_starts(kept.token)
        full = starts[np.diff(starts, append=len(kept)) == PER_TOKEN]
        last = np.full(1 + max(int(kept.token[-1]), int(self.token.max(initial=0))), np.iinfo(np.uint64).max, np.uint64)
        last[kept.token[full]] = kept.draw[full + PER_TOKEN - 1]
        return self.take(self.draw <= last[self.token])


@dataclass(frozen=True)
class BlockTokens:
    """What a block says about tokens."""

    table: TokenTable
    samples: TokenSamples

    @classmethod
    def empty(cls) -> BlockTokens:
        """What no tokens say."""
        return cls(TokenTable.empty(), TokenSamples.empty())

    @classmethod
    def of(cls, block: Windows, summariser: Summariser, seed: int) -> BlockTokens:
        """What a block says."""
        table = summariser.token_table().with_occurrences(table_of_occurrences(block))
        window = token_windows(block)
        position = np.arange(len(block.tokens)) - block.starts[window]
        counted = block.counted_tokens
        columns: dict[str, NDArray[Any]] = {
            "token": block.tokens,
            "draw": block_draws(block, window, seed),
            "row_id": block.row_ids[window],
            "window": block.numbers[window],
            "position": position.astype(np.int32),
        }
        chosen = counted[smallest_draws(**{name: column[counted] for name, column in columns.items()})]
        starts, feature = summariser.active_at(chosen)
        own = {name: column[chosen] for name, column in columns.items()}
        return cls(table, TokenSamples(**own, starts=starts, feature=feature))

    @classmethod
    def merged(cls, parts: Sequence[BlockTokens]) -> BlockTokens:
        """What the blocks say together."""
        tables, samples = [part.table for part in parts], [part.samples for part in parts]
        return cls(TokenTable.merged(tables), TokenSamples.merged(samples))


def smallest_draws(
    token: NDArray[np.int32], draw: Keys, row_id: Ints, window: NDArray[np.int32], position: NDArray[np.int32] | Ints
) -> Ints:
    """Indices of each token's first PER_TOKEN occurrences, sorted as in TokenSamples; all arrays [occurrences]."""
    order = np.lexsort((position, window, row_id, draw, token))
    return order[rank_in_group(group_starts(token[order]), len(order)) < PER_TOKEN]
