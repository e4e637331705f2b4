"""Rows -> tokens -> windows, by an explicit token policy.

A window is what the subject model sees at once: at most `max_tokens` tokens, the BOS token included. Windows are stored
flat, as arrays over all tokens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.tokens.chunks import Chunk
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.utils.numpy_array_ops import ranges, starts_of


@dataclass(frozen=True)
class Windows:
    """Consecutive windows, flat: window w holds `tokens[starts[w]:starts[w + 1]]`, BOS included if prepended."""

    row_ids: NDArray[np.int64]  # [windows]
    numbers: NDArray[np.int32]  # [windows], 0 for a row's first window
    tokens: NDArray[np.int32]  # [tokens]
    starts: NDArray[np.int64]  # [windows + 1]
    token_hashes: NDArray[np.uint64]  # [windows], hash of each window's token ids

    def __len__(self) -> int:
        return len(self.row_ids)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens per window."""
        return np.diff(self.starts)

    def blocks(self, max_tokens: int) -> Iterator[Windows]:
        """Split into blocks of at most `max_tokens` tokens (at least one window each), in order."""
        first = 0
        while first < len(self):
            block = self.block(first, max_tokens)
            yield block
            first += len(block)

    def block(self, first: int, max_tokens: int) -> Windows:
        """The block that begins at window `first`: at most `max_tokens` tokens, at least one window."""
        last = int(np.searchsorted(self.starts, self.starts[first] + max_tokens, side="right")) - 1
        return self.run(first, max(last, first + 1))

    def run(self, first: int, last: int) -> Windows:
        """The windows from `first` to before `last`."""
        begin, end = self.starts[first], self.starts[last]
        return Windows(
            self.row_ids[first:last],
            self.numbers[first:last],
            self.tokens[begin:end],
            self.starts[first : last + 1] - begin,
            self.token_hashes[first:last],
        )

    def take(self, index: NDArray[np.int64]) -> Windows:
        """Some of the windows, given by their numbers."""
        lengths = self.lengths[index]
        return Windows(
            self.row_ids[index],
            self.numbers[index],
            self.tokens[ranges(self.starts[:-1][index], lengths)],
            np.concatenate([[0], np.cumsum(lengths)]),
            self.token_hashes[index],
        )


def cut_windows(chunk: Chunk, policy: TokenPolicy) -> Windows:
    """The windows of a chunk's rows, in row order."""
    return windows_of(chunk.row_ids, chunk.tokens, chunk.starts, policy)


def windows_of(
    row_ids: NDArray[np.int64], tokens: NDArray[np.int32], starts: NDArray[np.int64], policy: TokenPolicy
) -> Windows:
    """The windows of rows given flat: row r has the tokens `tokens[starts[r]:starts[r + 1]]`, BOS not among them."""
    room = policy.row_tokens_per_window
    row_lengths = np.diff(starts)
    per_row = -(-row_lengths // room)
    row_of = np.repeat(np.arange(len(row_ids)), per_row)
    numbers = np.arange(len(row_of)) - np.repeat(np.cumsum(per_row) - per_row, per_row)
    begins = starts[:-1][row_of] + numbers * room
    own_lengths = np.minimum(begins + room, starts[1:][row_of]) - begins
    bos = int(policy.prepends_bos)
    window_starts = starts_of(own_lengths + bos)
    bos_token_id = policy.bos_token_id or 0  # a model without BOS prepends none, so the 0 is never used
    flat = np.full(int(window_starts[-1]), bos_token_id, np.int32)
    own = np.ones(len(flat), bool)
    if bos:
        own[window_starts[:-1]] = False
    # Windows keep every token in order, so their tokens without BOS are the rows' tokens, one row after the other.
    flat[own] = tokens[starts[0] : starts[-1]] if len(starts) else tokens
    return Windows(row_ids[row_of], numbers.astype(np.int32), flat, window_starts, _hashes(flat, window_starts))


def _hashes(tokens: NDArray[np.int32], starts: NDArray[np.int64]) -> NDArray[np.uint64]:
    data = np.ascontiguousarray(tokens, dtype="<i4").data.cast("B")
    bounds = (starts * 4).tolist()
    digests = b"".join(hashlib.blake2b(data[begin:end], digest_size=8).digest() for begin, end in pairwise(bounds))
    return np.frombuffer(digests, "<u8").astype(np.uint64)
