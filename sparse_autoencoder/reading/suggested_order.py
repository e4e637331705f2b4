"""The order in which a list of features opens: those first that a reader can make something of.

On real models the mean activation puts commas and `the` first, and kurtosis puts features first that fired a few times.
So features come first that fire in several texts, but not everywhere, and not mostly where a row was cut, in
mid-sentence after a BOS, or where long texts begin. They are ordered by how strong they are when they fire, divided by
the fourth root of the number of tokens that they fire on, where a token counts the more the more often it is
(1 / sum of squared shares). The square root preferred features of a single token to those of a word in all its forms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.utils.numpy_array_ops import Ints

STRENGTH = "mean_when_active"  # the metric
MOST_DENSITY = 0.01
MOST_CUT = 0.25
MOST_EARLY = 0.75
TIMES_AS_EARLY = 10  # as tokens are; so in short texts, where many tokens are early, no feature is too early

Floats = NDArray[np.float64]


def least_texts(num_texts: int) -> int:
    """In how many distinct texts a feature should fire to be suggested, of as many as the run has."""
    return min(max(num_texts // 100, 3), 30)


def suggested(
    strength: Floats,
    count: Ints,
    num_tokens: int,
    *,
    texts: Ints,
    num_texts: int,
    cut_share: Floats,
    early_share: Floats,
    early_share_of_tokens: float,
    effective_tokens: Floats | None,
) -> Floats:
    """What features are ordered by, largest first [features]; negative for those that aren't suggested.

    `strength` is the mean activation where a feature fires, `texts` the number of distinct texts in which it does,
    `cut_share` the share of its firings where rows were cut, `early_share` at the beginning of windows,
    `effective_tokens` on how many tokens it fires; None if that isn't known yet.
    """
    rare = count <= MOST_DENSITY * max(num_tokens, 1)
    anywhere = (cut_share <= MOST_CUT) & (early_share <= max(MOST_EARLY, TIMES_AS_EARLY * early_share_of_tokens))
    fit = (texts >= least_texts(num_texts)) & rare & anywhere
    spread = np.ones_like(strength) if effective_tokens is None else np.maximum(effective_tokens, 1)
    return np.where(fit, strength / np.sqrt(np.sqrt(spread)), -1 / (1 + strength))
