"""Chooses a block's examples of each band of strength, in numpy (strength_bands.py says what they are)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.summaries.example_order import activation_draws
from sparse_autoencoder.summaries.strength_bands import BANDS, EXAMPLES_PER_BAND, bands_of
from sparse_autoencoder.utils.numpy_array_ops import (
    Ints,
    Keys,
    bits_for,
    first_distinct,
    group_starts,
    stable_argsort,
)

EXPECTED = 5  # candidates of each band; of twenty bands, about one then has fewer than EXAMPLES_PER_BAND


@dataclass(frozen=True)
class Chosen:
    """The chosen activations, sorted by band of a feature, and then by draw; all [chosen]."""

    index: Ints  # of the activation
    feature: NDArray[np.int32]  # feature * BANDS + band
    draw: Keys


def band_examples(
    feature: NDArray[np.int32], bins: Ints, token_draw: Keys, window: NDArray[np.int32], text: Keys
) -> Chosen:
    """Choose among activations: those with the smallest draws, each of another text.

    The feature, the histogram's bin, the draw of its token (`token_draws`) and its window are [activations]; a hash of
    the window's tokens is [windows].
    """
    band = bands_of(bins)
    draw = activation_draws(token_draw, (feature * np.int64(BANDS) + band).astype(np.uint64))
    n_bands = np.int32(band.max(initial=0) + 1)
    group = feature * n_bands + band.astype(np.int32)
    del band, token_draw  # memory
    counts = np.bincount(group)

    def smallest(candidates: Ints) -> Ints:
        groups, draws = group[candidates], draw[candidates]
        order = stable_argsort((groups, bits_for(len(counts))), (draws >> np.uint64(32), 32))
        if len(group_starts(groups[order], draws[order] >> np.uint64(32))) < len(order):
            # the upper 32 bits nearly always differ; here they don't
            order = stable_argsort((groups, bits_for(len(counts))), (draws, 64))
        order = candidates[order]
        return order[first_distinct(group[order], text[window[order]], EXAMPLES_PER_BAND)]

    # Draws are uniform, so nearly always there are enough texts below this share of the range.
    limit = (np.minimum(1.0, EXPECTED / np.maximum(counts, 1)) * float(2**32 - 1)).astype(np.uint32)
    below = np.flatnonzero((draw >> np.uint64(32)).astype(np.uint32) <= limit[group])
    chosen = smallest(below)
    found = np.bincount(group[chosen], minlength=len(counts))
    unlucky = (found < EXAMPLES_PER_BAND) & (np.bincount(group[below], minlength=len(counts)) < counts)
    if unlucky.any():
        both = np.concatenate([chosen[~unlucky[group[chosen]]], smallest(np.flatnonzero(unlucky[group]))])
        chosen = both[np.argsort(group[both], kind="stable")]
    of_feature, of_band = np.divmod(group[chosen], n_bands)
    return Chosen(chosen, of_feature * np.int32(BANDS) + of_band, draw[chosen])
