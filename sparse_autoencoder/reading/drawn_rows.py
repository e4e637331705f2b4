"""Rows of a run, drawn at random: a sample in which texts and their tokens are as in the whole run.

What is drawn follows from the seed and the rows' ids. Row groups are read one after the other, and of each only a part
of the rows is used, so that a sample which reads few of them isn't all from the same places of the dataset.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np

from sparse_autoencoder.reading.row_group_reader import Place, RowsFiles
from sparse_autoencoder.runs.rows_file_format import RowTokens
from sparse_autoencoder.utils.numpy_array_ops import Ints, mix, ranges, starts_of


def drawn_rows(files: RowsFiles, chunks: Sequence[int], seed: int, most_tokens: int) -> Iterator[RowTokens]:
    """Rows of each row group, in an order that the seed decides: the first group of each chunk, then the second ones.

    Of a group come as many rows, in the order of their ids, as have at most `most_tokens` tokens together, but at least
    one. Raises SaescopeError if a file is missing or damaged.
    """
    chunks = _in_drawn_order(np.array(chunks, np.int64), seed).tolist()
    for turn in count():
        left = []
        for chunk in chunks:
            groups = _in_drawn_order(np.arange(len(files.row_ids(chunk).first)), seed + chunk + 1)
            if turn < len(groups):
                left.append(chunk)
                yield _some(files.tokens(Place(chunk, int(groups[turn]))), seed, most_tokens)
        if not left:
            return
        chunks = left


def _some(rows: RowTokens, seed: int, most_tokens: int) -> RowTokens:
    """Some rows, with so many tokens."""
    drawn = _in_drawn_order(rows.row_ids, seed, np.arange(len(rows.row_ids)))
    lengths = np.diff(rows.starts)
    enough = int(np.searchsorted(np.cumsum(lengths[drawn]), most_tokens, side="right"))
    chosen = np.sort(drawn[: max(enough, 1)])
    places = ranges(rows.starts[:-1][chosen], lengths[chosen])
    return RowTokens(rows.row_ids[chosen], rows.tokens[places], starts_of(lengths[chosen]))


def _in_drawn_order(numbers: Ints, seed: int, values: Ints | None = None) -> Ints:
    """The values (or the numbers themselves) sorted by a hash of their numbers."""
    draws = mix(mix(np.full(len(numbers), seed % (1 << 64), np.uint64)) ^ numbers.astype(np.uint64))
    ordered: Ints = (numbers if values is None else values)[np.argsort(draws, kind="stable")]
    return ordered
