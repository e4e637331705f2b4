"""Summarises a block of windows and its sparse activations, in numpy. On CPUs this is the fastest way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.summaries.band_examples_numpy import band_examples
from sparse_autoencoder.summaries.exact_sums import Scale, power_parts
from sparse_autoencoder.summaries.example_arrays import Examples
from sparse_autoencoder.summaries.example_order import activation_draws, descending_key
from sparse_autoencoder.summaries.feature_summary import HISTOGRAM_BIN_WIDTH, Summary, SummarySpec
from sparse_autoencoder.summaries.position_counts import PLACES, PositionCounts, counted_tokens, token_places
from sparse_autoencoder.summaries.summariser_interface import (
    LAST_BIN,
    Number,
    RowFeatures,
    Summariser,
    block_draws,
    first_occurrences,
    not_finite,
    row_numbers,
    token_windows,
)
from sparse_autoencoder.summaries.text_sums import RowCounts, RowTexts, TextSums
from sparse_autoencoder.summaries.token_table import TokenTable, table_of_activations
from sparse_autoencoder.summaries.unrounded_summary import UnroundedSummary
from sparse_autoencoder.tokens.windows import Windows
from sparse_autoencoder.utils.numpy_array_ops import (
    Ints,
    Mask,
    bits_for,
    first_distinct,
    group_starts,
    ranges,
    rank_in_group,
    stable_argsort,
    starts_of,
)

_DENSE_BINS = 1 << 24  # up to so many (features times bins) the histogram is counted in a dense array


@dataclass(frozen=True)
class SparseActivations:
    """Activations: the positive ones at a block's counted tokens, in any order; arrays [activations].

    Windows with the same tokens have the same activations.
    """

    out_of_memory: ClassVar[tuple[type[BaseException], ...]] = (MemoryError,)

    token: NDArray[np.int32]  # index into the block's flat tokens
    feature: NDArray[np.int32]
    value: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.value)

    def summariser(self, block: Windows, spec: SummarySpec, scale: Scale | None = None) -> Summariser:
        return BlockSummariser(block, self, spec, scale)

    def maxima(self, n_features: int) -> NDArray[np.float32]:
        found = np.zeros(n_features, np.float32)
        with np.errstate(invalid="ignore"):  # NaN stays NaN
            np.maximum.at(found, self.feature, self.value)
        return found

    def between(self, begin: int, end: int) -> SparseActivations:
        inside = (self.token >= begin) & (self.token < end)
        return SparseActivations(self.token[inside] - np.int32(begin), self.feature[inside], self.value[inside])


class BlockSummariser:
    """A Summariser of one block; raises SaescopeError if an activation isn't finite."""

    def __init__(
        self, block: Windows, activations: SparseActivations, spec: SummarySpec, scale: Scale | None = None
    ) -> None:
        if not np.isfinite(activations.value).all():
            raise not_finite(block)
        self._block = block
        self._spec = spec
        self._scale = scale
        self._feature_bits = bits_for(spec.n_features - 1)
        order = stable_argsort(
            (activations.feature, self._feature_bits), (activations.token, bits_for(len(block.tokens) - 1))
        )
        # all [activations], sorted by (feature, token)
        self._feature = activations.feature[order]
        self._token = activations.token[order]
        self._value = activations.value[order]
        self._descending_key = descending_key(self._value)
        window_of_token = token_windows(block)
        self._window = window_of_token[self._token]
        self._token_draws = block_draws(block, window_of_token, spec.seed)
        # A run is the activations of one feature in one window: where each run begins, and each activation's run.
        self._run_starts = group_starts(self._feature, self._window)
        self._run_of = np.repeat(
            np.arange(len(self._run_starts), dtype=np.int32), np.diff(self._run_starts, append=len(self._feature))
        )

    def unrounded(self) -> UnroundedSummary:
        if not len(self._feature):
            return UnroundedSummary.empty(self._spec, self._block)
        starts = group_starts(self._feature)
        fired = self._feature[starts]
        maximum = np.maximum.reduceat(self._value, starts)
        on_scale = Scale(maximum, len(self._block.tokens))
        if self._scale is not None:
            on_scale = Scale(self._scale.maximum[fired], self._scale.most)

        def spread(numbers: NDArray[Number]) -> NDArray[Number]:
            dense = np.zeros(self._spec.n_features, numbers.dtype)
            dense[fired] = numbers
            return dense

        sums = power_parts(self._value, starts, on_scale)
        bins = self._bins()
        key, count = self._histogram(bins)
        nothing = np.zeros(self._spec.n_features)
        return UnroundedSummary(
            Summary(
                self._spec,
                num_tokens=int(self._block.counted_lengths.sum()),
                count=spread(np.diff(starts, append=len(self._value))),
                sum1=nothing,
                sum2=nothing,
                sum3=nothing,
                sum4=nothing,
                maximum=spread(maximum),
                histogram_key=key,
                histogram_count=count,
                top=self._examples(self._strongest()),
                random=self._random(),
                bands=self._of_bands(bins),
                positions=self._positions(),
                text_sums=TextSums.empty(self._spec.n_features),
            ),
            [(spread(coarse), spread(fine)) for coarse, fine in sums],
        )

    def row_features(self, per_row: int) -> RowFeatures:
        rows = self._block.row_ids
        row = row_numbers(self._block)[self._window]
        by_strength = stable_argsort((row, bits_for(len(rows))), (self._descending_key, 31))
        features = self._feature[by_strength].astype(np.uint64)
        index = by_strength[first_distinct(row[by_strength], features, per_row)]
        window = self._window[index]
        return RowFeatures(
            row_id=rows[window],
            feature=self._feature[index],
            value=self._value[index],
            window=self._block.numbers[window],
            position=(self._token[index] - self._block.starts[window]).astype(np.int32),
        )

    def token_table(self) -> TokenTable:
        return table_of_activations(self._block.tokens[self._token], self._feature, self._value)

    def active_at(self, tokens: Ints) -> tuple[Ints, NDArray[np.int32]]:
        slot_of = np.full(len(self._block.tokens), -1, np.int32)
        slot_of[tokens] = np.arange(len(tokens), dtype=np.int32)
        slot = slot_of[self._token]
        wanted = np.flatnonzero(slot >= 0)
        order = wanted[stable_argsort((slot[wanted], bits_for(len(tokens))))]
        return starts_of(np.bincount(slot[wanted], minlength=len(tokens))), self._feature[order]

    def text_sums(self, rows: RowTexts) -> tuple[TextSums, RowCounts]:
        row = rows.of_windows(self._block)[self._window]
        starts = group_starts(self._feature, row)
        count = np.diff(starts, append=len(row))
        row = row[starts]
        counts = RowCounts(row, self._feature[starts], count)
        whole = rows.whole_in(self._block)[row]
        return counts[whole].sums(rows, self._spec.n_features), counts[~whole]

    def _bins(self) -> Ints:
        """Each activation's bin of the histogram: ceil(a / 0.2), as in OpenAI's viewer."""
        bins = np.ceil(self._value.astype(np.float64) / HISTOGRAM_BIN_WIDTH)
        return np.minimum(bins, LAST_BIN, out=bins).astype(np.int64)

    def _histogram(self, bins: Ints) -> tuple[Ints, Ints]:
        """Keys (feature << 32 | bin) and counts of the bins in use."""
        n_bins = int(bins.max()) + 1
        if n_bins * self._spec.n_features <= _DENSE_BINS:
            counts = np.bincount(self._feature * np.int64(n_bins) + bins)
            used = np.flatnonzero(counts)
            feature, bins = np.divmod(used, n_bins)
            return (feature << 32) | bins, counts[used]
        keys, counts = np.unique((self._feature.astype(np.int64) << 32) | bins, return_counts=True)
        return keys, counts

    def _positions(self) -> PositionCounts:
        n_features = self._spec.n_features
        place = token_places(self._block)[self._token] * n_features + self._feature
        return PositionCounts.of_places(counted_tokens(self._block), np.bincount(place, minlength=PLACES * n_features))

    def _strongest(self) -> Ints:
        """Indices of the activations of each feature's top examples, by rank."""
        # Windows with the same tokens have the same activations, so only the first of them can be an example,
        first = first_occurrences(self._block)
        # and only a window's strongest token.
        peak = np.repeat(
            np.maximum.reduceat(self._value, self._run_starts), np.diff(self._run_starts, append=len(self._value))
        )
        candidates = np.flatnonzero((self._value == peak) & first[self._window])
        # The sort is stable, so equally strong tokens of one window stay next to each other.
        order = stable_argsort((self._feature[candidates], self._feature_bits), (self._descending_key[candidates], 31))
        index = candidates[order]
        again = np.zeros(len(index), bool)
        again[1:] = self._run_of[index][1:] == self._run_of[index][:-1]
        index = index[~again]
        rank = rank_in_group(group_starts(self._feature[index]), len(index))
        return index[rank < self._spec.examples_per_feature]

    def _random(self) -> Examples:
        draw = self._draws(np.arange(len(self._feature)))
        candidates = np.flatnonzero(self._may_be_drawn(draw))
        feature, draw = self._feature[candidates], draw[candidates]
        order = stable_argsort((feature, self._feature_bits), (draw >> np.uint64(32), 32))
        if len(group_starts(feature[order], draw[order] >> np.uint64(32))) < len(order):
            # the upper 32 bits nearly always differ; here they don't
            order = stable_argsort((feature, self._feature_bits), (draw, 64))
        order = candidates[order]
        rank = rank_in_group(group_starts(self._feature[order]), len(order))
        return self._examples(order[rank < self._spec.examples_per_feature])

    def _of_bands(self, bins: Ints) -> Examples:
        texts = self._block.token_hashes
        chosen = band_examples(self._feature, bins, self._token_draws[self._token], self._window, texts)
        return replace(self._examples(chosen.index), feature=chosen.feature, draw=chosen.draw)

    def _may_be_drawn(self, draw: NDArray[np.uint64]) -> Mask:
        """Mask without most activations whose draw is too large to be among the smallest of their feature."""
        wanted = self._spec.examples_per_feature
        starts = group_starts(self._feature)
        counts = np.diff(starts, append=len(draw))
        # Draws are uniform, so nearly always enough of them are below this share of the range.
        share = np.minimum(1.0, (wanted + 5 * np.sqrt(wanted)) / counts)
        limit = (share * float(2**32 - 1)).astype(np.uint64)
        mask = (draw >> np.uint64(32)) <= np.repeat(limit, counts)
        unlucky = np.add.reduceat(mask, starts, dtype=np.int64) < np.minimum(wanted, counts)
        return mask | np.repeat(unlucky, counts)

    def _draws(self, index: Ints) -> NDArray[np.uint64]:
        return activation_draws(self._token_draws[self._token[index]], self._feature[index].astype(np.uint64))

    def _examples(self, index: Ints) -> Examples:
        """Examples for some activations, each with its feature's activations in the whole window."""
        block = self._block
        window = self._window[index]
        run = self._run_of[index]
        lengths = np.append(self._run_starts, len(self._run_of))[run + 1] - self._run_starts[run]
        flat = ranges(self._run_starts[run], lengths)
        begin = block.starts[window]
        return Examples(
            feature=self._feature[index],
            value=self._value[index],
            row_id=block.row_ids[window],
            window=block.numbers[window],
            position=(self._token[index] - begin).astype(np.int32),
            token=block.tokens[self._token[index]],
            token_hash=block.token_hashes[window],
            draw=self._draws(index),
            act_starts=starts_of(lengths),
            act_position=(self._token[flat] - np.repeat(begin, lengths)).astype(np.int32),
            act_value=self._value[flat],
        )
