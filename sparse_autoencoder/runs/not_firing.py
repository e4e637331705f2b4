"""Where a feature does not fire on its main tokens: at how many of the sampled occurrences, and some of these.

This is a column of tokens_by_feature.parquet. The samples are in memory as a whole: their size is bounded by the number
of token ids times the features that fire at a token.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.token_samples_format import from_bytes
from sparse_autoencoder.summaries.token_samples import PER_TOKEN, TokenSamples
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.utils.numpy_array_ops import Ints, Mask, starts_of

MAIN_TOKENS = 8
"""For so many of a feature's most frequent tokens it is said where it does not fire."""

SHOWN = 4
"""So many occurrences are shown for each of them."""

_MERGE_AT = 1 << 17  # new occurrences that are collected before they are merged
_AT_ONCE = 1 << 21  # firings that are looked at at once


def _struct(**columns: pa.DataType) -> pa.StructType:
    return pa.struct([pa.field(name, kind, nullable=False) for name, kind in columns.items()])


def _list(entry: pa.DataType) -> pa.ListType:
    return pa.list_(pa.field("element", entry, nullable=False))


# a window, and the place of the token in it
OCCURRENCE = _struct(row_id=pa.int64(), window_offset=pa.int32(), position=pa.int32())
ENTRY = _struct(
    token_id=pa.int32(),
    sampled=pa.int32(),  # occurrences that were looked at
    firing=pa.int32(),  # those of them at which the feature fires
    examples=_list(OCCURRENCE),  # some of the others
)
NOT_FIRING = _list(ENTRY)


def merged_samples(folder: RunFolder, chunks: Sequence[int]) -> TokenSamples:
    """The samples of all these chunks; NotFoundError or DamagedError if a file is missing or damaged."""
    kept, new = TokenSamples.empty(), []
    for chunk in chunks:
        new.append(from_bytes(folder.store.get(folder.token_samples(chunk)), chunk).reaching(kept))
        if sum(map(len, new)) >= max(_MERGE_AT, len(kept) // 2):
            kept, new = TokenSamples.merged([kept, *new]), []
    return TokenSamples.merged([kept, *new])


def not_firing(
    samples: TokenSamples,
    feature: NDArray[np.int32],
    token: NDArray[np.int32],
    n_features: int,
    policy: TokenPolicy,
) -> pa.ListArray:
    """The column, for pairs of a feature and a token that are sorted by feature: [features]."""
    first, end = (np.searchsorted(samples.token, token, side=side) for side in ("left", "right"))
    fires = _firing(samples, feature, token)
    quiet = ~fires & (np.arange(PER_TOKEN) < (end - first)[:, None])
    pair, slot = np.nonzero(quiet & (np.cumsum(quiet, axis=1) <= SHOWN))
    shown = first[pair] + slot
    examples = pa.StructArray.from_arrays(
        [
            pa.array(samples.row_id[shown]),
            pa.array(policy.window_offsets(samples.window[shown]).astype(np.int32)),
            pa.array(samples.position[shown]),
        ],
        fields=list(OCCURRENCE),
    )
    entries = pa.StructArray.from_arrays(
        [
            pa.array(token),
            pa.array((end - first).astype(np.int32)),
            pa.array(fires.sum(axis=1).astype(np.int32)),
            _lists(np.bincount(pair, minlength=len(token)), examples, ENTRY.field("examples").type),
        ],
        fields=list(ENTRY),
    )
    return _lists(np.bincount(feature, minlength=n_features), entries, NOT_FIRING)


def _firing(samples: TokenSamples, feature: NDArray[np.int32], token: NDArray[np.int32]) -> Mask:
    """Mask [pairs, PER_TOKEN] of the token's sampled occurrences, by rank, at which the feature fires."""
    fires = np.zeros((len(token), PER_TOKEN), bool)
    pairs = _codes(token, feature)
    order = np.argsort(pairs, kind="stable")
    pairs, slots = np.append(pairs[order], -1), samples.slots()
    begin = 0
    while begin < len(samples):
        end = max(begin + 1, int(np.searchsorted(samples.starts, samples.starts[begin] + _AT_ONCE, side="right")) - 1)
        lengths = np.diff(samples.starts[begin : end + 1])
        codes = _codes(
            np.repeat(samples.token[begin:end], lengths), samples.feature[slice(*samples.starts[[begin, end]])]
        )
        place = np.searchsorted(pairs[:-1], codes)
        hit = pairs[place] == codes
        fires[order[place[hit]], np.repeat(slots[begin:end], lengths)[hit]] = True
        begin = end
    return fires


def _codes(token: NDArray[np.int32], feature: NDArray[np.int32]) -> Ints:
    return (token.astype(np.int64) << 32) | feature


def _lists(lengths: Ints, entries: pa.Array, kind: pa.ListType) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(starts_of(lengths).astype(np.int32)), entries, type=kind)
