"""Tells rows that repeat an earlier row's text, so that equal texts can count as one (summaries/text_sums.py)."""

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np

from sparse_autoencoder.utils.numpy_array_ops import Ints, Keys, group_starts, rank_in_group


def text_hashes(texts: Iterable[str]) -> Keys:
    """A 64-bit hash of each text."""
    digests = [blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts]
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


class TextRepeats:
    """Counts, while a source is read, how many earlier rows had the same text.

    It keeps 16 bytes for each distinct text: hashes and counts in sorted arrays, each at least twice as long as the
    next one, which are merged like those of an LSM tree.
    """

    def __init__(self) -> None:
        self._levels: list[tuple[Keys, Ints]] = []

    def earlier(self, hashes: Keys) -> Ints:
        """How many earlier rows had the same text, for the source's next rows, by their texts' hashes."""
        order = np.argsort(hashes, kind="stable")
        starts = group_starts(hashes[order])
        distinct, counts = hashes[order][starts], np.diff(starts, append=len(hashes))
        before = np.zeros(len(distinct), np.int64)
        for seen, times in self._levels:
            at = np.minimum(np.searchsorted(seen, distinct), len(seen) - 1)
            before += np.where(seen[at] == distinct, times[at], 0)
        self._add(distinct, counts)
        earlier = np.zeros(len(hashes), np.int64)
        earlier[order] = np.repeat(before, counts) + rank_in_group(starts, len(hashes))
        return earlier

    def _add(self, hashes: Keys, counts: Ints) -> None:
        if not len(hashes):
            return
        while self._levels and len(self._levels[-1][0]) < 2 * len(hashes):
            seen, times = self._levels.pop()
            both, number = np.concatenate([seen, hashes]), np.concatenate([times, counts])
            order = np.argsort(both, kind="stable")
            starts = group_starts(both[order])
            hashes, counts = both[order][starts], np.add.reduceat(number[order], starts)
        self._levels.append((hashes, counts))
