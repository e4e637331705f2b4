"""Operations on flat numpy arrays, from which summaries are built: stable sorting, groups, ranges, hashing.

A group is a sequence of equal keys in a sorted array.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]
Mask = NDArray[np.bool_]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_DIGIT_BITS = 16


def mix(x: Keys) -> Keys:
    """Hash each 64-bit integer with the finaliser of SplitMix64 (Steele, Lea and Flood, 2014)."""
    x = x + GOLDEN
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def bits_for(largest: int) -> int:
    """How many bits are needed for the numbers from 0 to `largest`."""
    return max(1, int(largest).bit_length())


def stable_argsort(*keys: tuple[NDArray[Any], int]) -> Ints:
    """Indices that sort by several keys, the most important key first; each key is (numbers >= 0, bits that they use).

    This is a radix sort over digits of 16 bits, for which numpy's stable sort takes linear time. It is several times as
    fast as a comparison sort of indices, and equally fast on every processor, which numpy's vectorised sorts are not.
    """
    digits = [(numbers, shift) for numbers, bits in reversed(keys) for shift in range(0, bits, _DIGIT_BITS)]
    # 32-bit indices halve the memory traffic of the passes between the first and the last
    index_type = np.int32 if len(keys[0][0]) < 2**31 else np.int64
    order: NDArray[Any] | None = None
    for numbers, shift in digits:
        digit = (numbers >> numbers.dtype.type(shift)).astype(np.uint16)
        step = np.argsort(digit if order is None else digit[order], kind="stable")
        order = step.astype(index_type) if order is None else order[step]
    if order is None:
        raise ValueError("stable_argsort needs a key")
    return order.astype(np.int64)


def ranges(starts: Ints, lengths: Ints) -> Ints:
    """Concatenate ranges: for each start the numbers start, start + 1, …, as many as its length says."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(starts - ends + lengths, lengths)


def group_starts(*sorted_keys: NDArray[Any]) -> Ints:
    """Index of each group's first entry; a group is a sequence of entries that are equal in all keys."""
    if not len(sorted_keys[0]):
        return np.zeros(0, np.int64)
    changes = np.zeros(len(sorted_keys[0]), bool)
    changes[0] = True
    for key in sorted_keys:
        changes[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(changes)


def rank_in_group(starts: Ints, total: int) -> Ints:
    """Each entry's position within its group, counted from 0; groups begin at `starts` and cover `total` entries."""
    return np.arange(total) - np.repeat(starts, np.diff(starts, append=total))


def is_repeated(group: NDArray[Any], item: Keys) -> Mask:
    """Mask of the entries whose pair (group, item) occurred at an earlier entry. Entries may come in any order."""
    # An entry that is alone in its cell of a hash table repeats nothing, and most entries are. Of the others, sorting
    # 32-bit hashes finds the few that are probably equal to another entry. Only these are compared exactly.
    hashes = mix(item ^ (group.astype(np.uint64) * GOLDEN))
    bits = bits_for(4 * len(hashes))
    cell = (hashes >> np.uint64(64 - bits)).astype(np.int64)
    crowded = np.flatnonzero(np.bincount(cell, minlength=1 << bits)[cell] > 1)
    short = (hashes[crowded] & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    ordered = np.sort(short)
    shared = ordered[1:][ordered[1:] == ordered[:-1]]
    repeated = np.zeros(len(hashes), bool)
    if len(shared):
        at = np.minimum(np.searchsorted(shared, short), len(shared) - 1)
        suspects = crowded[shared[at] == short]
        by_item = suspects[np.lexsort((item[suspects], group[suspects]))]  # stable: equal ones stay in order
        same = (group[by_item][1:] == group[by_item][:-1]) & (item[by_item][1:] == item[by_item][:-1])
        repeated[by_item[1:][same]] = True
    return repeated


def matches(hashes: Keys, marked: Mask) -> Ints:
    """Indices of all entries whose hash equals that of a marked entry, and of a few false positives."""
    bits = bits_for(8 * int(marked.sum()))
    cell = (hashes >> np.uint64(64 - bits)).astype(np.int64)
    in_use = np.zeros(1 << bits, bool)
    in_use[cell[marked]] = True
    return np.flatnonzero(in_use[cell])


def first_distinct(group: NDArray[Any], item: Keys, per_group: int) -> Ints:
    """Indices of each group's first `per_group` distinct items; entries are sorted by group, and by rank within it.

    Most groups are far longer than `per_group`. So each pass looks at a few entries of each group, a little more than
    `per_group` at first, and goes on only with the groups in which it did not find enough.
    """
    starts = group_starts(group)
    sizes = np.diff(starts, append=len(group))
    chosen = [np.zeros(0, np.int64)]
    reach = per_group + per_group // 4
    while len(starts):
        lengths = np.minimum(sizes, reach)
        index = ranges(starts, lengths)
        number = np.repeat(np.arange(len(starts)), lengths)
        first = ~is_repeated(number, item[index])
        index, number = index[first], number[first]
        found = np.bincount(number, minlength=len(starts))
        done = (found >= per_group) | (lengths == sizes)
        keep = (rank_in_group(group_starts(number), len(number)) < per_group) & done[number]
        chosen.append(index[keep])
        starts, sizes = starts[~done], sizes[~done]
        reach *= 4
    return np.sort(np.concatenate(chosen))


def starts_of(lengths: ArrayLike) -> Ints:
    """Offsets of consecutive pieces with these lengths, and the end of the last piece: [pieces + 1]."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
