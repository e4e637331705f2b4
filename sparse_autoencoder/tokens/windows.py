"""Rows -> tokens -> windows, by an explicit token policy.

A window is what the subject model sees at once: at most `max_tokens` tokens, the BOS token included. Windows are stored
flat, as arrays over all tokens. Each of a row's tokens counts in one window; with `context`, a later window begins with
tokens that do not count, as an earlier one has counted them.
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
from sparse_autoencoder.utils.numpy_array_ops import mix, ranges, starts_of


@dataclass(frozen=True)
class Windows:
    """Consecutive windows, flat: window w holds `tokens[starts[w]:starts[w + 1]]`, BOS included if prepended."""

    row_ids: NDArray[np.int64]  # [windows]
    numbers: NDArray[np.int32]  # [windows], 0 for a row's first window
    tokens: NDArray[np.int32]  # [tokens]
    starts: NDArray[np.int64]  # [windows + 1]
    # [windows], hash of each window's token ids, and of which of them count: what two windows share that show the same
    token_hashes: NDArray[np.uint64]
    first_counted: NDArray[np.int32]  # [windows], the first position that counts in statistics and examples

    def __len__(self) -> int:
        return len(self.row_ids)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens per window."""
        return np.diff(self.starts)

    @property
    def counted_lengths(self) -> NDArray[np.int64]:
        """Counted tokens per window."""
        counted: NDArray[np.int64] = np.maximum(self.lengths - self.first_counted, 0)
        return counted

    @property
    def counted_tokens(self) -> NDArray[np.int64]:
        """Indices of the counted tokens."""
        return ranges(self.starts[:-1] + self.first_counted, self.counted_lengths)

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
            self.first_counted[first:last],
        )

    def take(self, index: NDArray[np.int64]) -> Windows:
        """Some of the windows, given by their numbers."""
        lengths = self.lengths[index]
        return Windows(
            self.row_ids[index],
            self.numbers[index],
            self.tokens[ranges(self.starts[:-1][index], lengths)],
            starts_of(lengths),
            self.token_hashes[index],
            self.first_counted[index],
        )


def cut_windows(chunk: Chunk, policy: TokenPolicy) -> Windows:
    """The windows of a chunk's rows, in row order."""
    return windows_of(chunk.row_ids, chunk.tokens, chunk.starts, policy)


def windows_of(
    row_ids: NDArray[np.int64], tokens: NDArray[np.int32], starts: NDArray[np.int64], policy: TokenPolicy
) -> Windows:
    """The windows of rows given flat: row r has the tokens `tokens[starts[r]:starts[r + 1]]`, BOS not among them."""
    per_row = policy.num_windows(np.diff(starts))
    row_of = np.repeat(np.arange(len(row_ids)), per_row)
    numbers = np.arange(len(row_of)) - np.repeat(np.cumsum(per_row) - per_row, per_row)
    begins = starts[:-1][row_of] + policy.window_offsets(numbers)
    own_lengths = np.minimum(begins + policy.row_tokens_per_window, starts[1:][row_of]) - begins
    bos = int(policy.prepends_bos)
    window_starts = starts_of(own_lengths + bos)
    bos_token_id = policy.bos_token_id or 0  # a model without BOS prepends none, so the 0 is never used
    flat = np.full(int(window_starts[-1]), bos_token_id, np.int32)
    own = np.ones(len(flat), bool)
    if bos:
        own[window_starts[:-1]] = False
    flat[own] = tokens[ranges(begins, own_lengths)]
    later = numbers > 0
    first_counted = np.where(later, policy.first_counted_later, policy.first_counted).astype(np.int32)
    hashes = _hashes(flat, window_starts)
    if policy.context:
        hashes[later] = mix(hashes[later])
    return Windows(row_ids[row_of], numbers.astype(np.int32), flat, window_starts, hashes, first_counted)


def _hashes(tokens: NDArray[np.int32], starts: NDArray[np.int64]) -> NDArray[np.uint64]:
    data = np.ascontiguousarray(tokens, dtype="<i4").data.cast("B")
    bounds = (starts * 4).tolist()
    digests = b"".join(hashlib.blake2b(data[begin:end], digest_size=8).digest() for begin, end in pairwise(bounds))
    return np.frombuffer(digests, "<u8").astype(np.uint64)
