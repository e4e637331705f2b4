"""Bands of strength: fixed ranges of activations, from each of which a feature shows a few examples.

Band 0 is (0, w], band 1 (w, 2w], band 2 (2w, 4w], band 3 (4w, 8w], … with the histogram's bin width w. The edges are
fixed, not shares of a feature's maximum, because a maximum is known only at a run's end, and samples must merge. Each
band is a union of bins of the histogram, so the histogram says exactly how many activations are in it.

A band's examples are a uniform sample of its activations, of which those in windows with the same tokens count once.
They are chosen like a feature's random examples, so a feature's band has a number of its own: feature * BANDS + band.
"""

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.utils.numpy_array_ops import Ints

BANDS = 32  # the last one holds the histogram's last bin, and has no upper edge
EXAMPLES_PER_BAND = 2


def bands_of(bins: Ints) -> Ints:
    """The band of each bin of the histogram, which are numbered from 1: how many binary digits its number less 1 has.

    In torch the summariser does the same (summarise_torch.py).
    """
    # the exponent in a float64's bits; 0 has none
    exponent: Ints = ((bins - 1).astype(np.float64).view(np.int64) >> 52) - 1022
    return np.maximum(exponent, 0, out=exponent)


def edges(band: Ints, bin_width: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The edges of bands: the activations in a band are above the lower edge, and at most the upper one."""
    upper = bin_width * 2.0**band
    return np.where(band > 0, upper / 2, 0.0), np.where(band < BANDS - 1, upper, np.inf)
