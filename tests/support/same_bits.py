"""Equal to the bit: summaries, examples, rows' features."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.summaries.example_arrays import Examples
from sparse_autoencoder.summaries.feature_summary import Summary
from sparse_autoencoder.summaries.position_counts import PositionCounts
from sparse_autoencoder.summaries.reconstruction_sums import ReconstructionSums
from sparse_autoencoder.summaries.summariser_interface import RowFeatures
from sparse_autoencoder.summaries.text_sums import RowCounts, TextSums
from sparse_autoencoder.summaries.token_samples import BlockTokens, TokenSamples
from sparse_autoencoder.summaries.token_table import TokenTable

_OURS = (
    Summary,
    Examples,
    RowFeatures,
    TextSums,
    RowCounts,
    PositionCounts,
    ReconstructionSums,
    TokenTable,
    TokenSamples,
    BlockTokens,
)


def assert_same_bits(one: object, other: object, name: str = "") -> None:
    """Equal arrays, of equal types, in two summaries, examples or rows' features."""
    if isinstance(one, _OURS):
        assert type(one) is type(other)
        for part in fields(one):
            assert_same_bits(getattr(one, part.name), getattr(other, part.name), f"{name}.{part.name}")
    elif isinstance(one, np.ndarray):
        assert isinstance(other, np.ndarray)
        np.testing.assert_array_equal(_bits(one), _bits(other), err_msg=name, strict=True)
    else:
        assert one == other


def _bits(numbers: NDArray[np.generic]) -> NDArray[np.generic]:
    return numbers.view(f"u{numbers.dtype.itemsize}") if numbers.dtype.kind == "f" else numbers
