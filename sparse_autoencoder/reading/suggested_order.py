"""The order in which a list of features opens: those first that a reader can make something of.

On real models the mean activation puts commas and `the` first, and kurtosis puts features first that fired a few times.
So features come first that fire in several texts, but not everywhere, and not mostly where a row was cut, in
mid-sentence after a BOS. They are ordered by how strong they are when they fire, divided by the square root of the
number of tokens that they fire on, where a token counts the more the more often it is (1 / sum of squared shares).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.utils.numpy_array_ops import Ints

STRENGTH = "mean_when_active"  # the metric
LEAST_TEXTS = 10
MOST_DENSITY = 0.01
MOST_CUT = 0.25

Floats = NDArray[np.float64]


def suggested(
    strength: Floats,
    count: Ints,
    num_tokens: int,
    *,
    texts: Ints,
    cut_share: Floats,
    effective_tokens: Floats | None,
) -> Floats:
    """What features are ordered by, largest first [features]; negative for those that aren't suggested.

    `strength` is the mean activation where a feature fires, `texts` the number of distinct texts in which it does,
    `cut_share` the share of its firings where rows were cut, `effective_tokens` on how many tokens it fires; None if
    that isn't known yet.
    """
    rare = count <= MOST_DENSITY * max(num_tokens, 1)
    fit = (texts >= LEAST_TEXTS) & rare & (cut_share <= MOST_CUT)
    spread = np.ones_like(strength) if effective_tokens is None else np.maximum(effective_tokens, 1)
    return np.where(fit, strength / np.sqrt(spread), -1 / (1 + strength))
