"""Chooses a block's examples of each band of strength on a device; band_examples_numpy.py explains the steps."""

from __future__ import annotations

import torch
from torch import Tensor

from sparse_autoencoder.kernels.torch_array_ops import SIGNED_GOLDEN, changes, count_of_each, mix, unsigned_order
from sparse_autoencoder.summaries.band_examples_numpy import EXPECTED
from sparse_autoencoder.summaries.strength_bands import BANDS, EXAMPLES_PER_BAND

_LARGEST = 2**32 - 1


def band_examples(
    feature: Tensor, bins: Tensor, token_draw: Tensor, window: Tensor, text: Tensor, n_features: int
) -> dict[str, Tensor]:
    """The chosen activations' `index`, `feature` (feature * BANDS + band) and `draw`, as in `Chosen`.

    `text` [windows] numbers the texts; the other arguments are as in band_examples_numpy.py.
    """
    n_groups, n_texts = n_features * BANDS, len(text)
    group = (((bins - 1).double().view(torch.int64) >> 52) - 1022).clamp_(min=0)  # see strength_bands.bands_of
    del bins  # memory
    group += feature.long() * BANDS
    draw = mix(token_draw ^ (group * SIGNED_GOLDEN))
    del token_draw

    def counted(groups: Tensor) -> Tensor:
        return count_of_each(groups, n_groups)

    def smallest(candidates: Tensor) -> Tensor:
        by_draw = candidates[torch.sort(unsigned_order(draw[candidates]), stable=True)[1]]
        key = group[by_draw] * n_texts + text[window[by_draw]]
        ordered, order = torch.sort(key, stable=True)
        best = torch.zeros_like(by_draw, dtype=torch.bool)
        best[order[changes(ordered)]] = True  # of each text
        of_texts = by_draw[best]
        groups, order = torch.sort(group[of_texts], stable=True)
        first = torch.ones_like(groups, dtype=torch.bool)
        first[EXAMPLES_PER_BAND:] = groups[EXAMPLES_PER_BAND:] != groups[:-EXAMPLES_PER_BAND]
        return of_texts[order[first]]

    counts = counted(group)
    limit = ((EXPECTED / counts.clamp(min=1)).clamp(max=1.0).double() * _LARGEST).long()
    below = torch.nonzero(((draw >> 32) & _LARGEST) <= limit[group]).flatten()
    chosen = smallest(below)
    unlucky = (counted(group[chosen]) < EXAMPLES_PER_BAND) & (counted(group[below]) < counts)
    both = torch.cat([chosen[~unlucky[group[chosen]]], smallest(torch.nonzero(unlucky[group]).flatten())])
    chosen = both[torch.sort(group[both], stable=True)[1]]
    return {"index": chosen, "feature": group[chosen].int(), "draw": draw[chosen]}
