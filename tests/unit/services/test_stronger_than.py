"""The share of a feature's activations that are smaller than one in a text, by the histogram."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.api.endpoints.shared_answers_about_texts import stronger_than
from sparse_autoencoder.runs.overview_file import Histograms

ACTIVATIONS = st.lists(st.floats(2**-10, 5.0, width=32), max_size=30)


def shares(features: list[list[float]], values: list[float]) -> list[float | None]:
    starts, bins, counts = [0], [], []
    for activations in features:
        found = np.ceil(np.array(activations) / 0.2)
        own, times = np.unique(found, return_counts=True)
        bins += own.tolist()
        counts += times.tolist()
        starts.append(len(bins))
    histograms = Histograms(np.array(starts), np.array(bins, np.int32), np.array(counts, np.int64))
    return stronger_than(
        histograms,
        np.arange(len(features)),
        np.array([len(one) for one in features]),
        np.array(values),
        np.array([max(one, default=0.0) for one in features]),
    )


@given(features=st.lists(ACTIVATIONS, min_size=1, max_size=4), value=st.floats(2**-10, 6.0, width=32))
def test_it_is_at_most_the_true_share_and_at_least_that_of_values_a_bin_lower(
    features: list[list[float]], value: float
) -> None:
    for activations, share in zip(features, shares(features, [value] * len(features)), strict=True):
        if not activations:
            assert share is None
            continue
        assert share is not None
        smaller = np.mean(np.array(activations) < value)
        certainly = np.mean(np.array(activations) <= value - 0.2)
        assert certainly - 1e-12 <= share <= smaller


def test_above_all_of_them_it_is_stronger_than_all() -> None:
    assert shares([[0.11, 0.15]], [0.19]) == [1.0]
    assert shares([[0.11, 0.15]], [0.15]) == [0.0]
    assert shares([[0.11, 0.5, 0.7, 2.0]], [2.0]) == [0.75]
