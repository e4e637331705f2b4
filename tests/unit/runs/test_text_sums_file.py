"""Sums over texts come back from their file as they were, with as many groups as there can be."""

from __future__ import annotations

import numpy as np
import pytest

from sparse_autoencoder.data.row_sets import HALVES, MOST_GROUPS
from sparse_autoencoder.runs.text_sums_file import from_parquet, to_parquet
from sparse_autoencoder.summaries.text_sums import BY_FEATURE, TOTALS, NamedTextSums, TextSums
from tests.support.same_bits import assert_same_bits

N_FEATURES = 8192


@pytest.mark.parametrize("groups", [0, 1, MOST_GROUPS + 1])
def test_every_number_of_groups_comes_back(groups: int) -> None:
    random, num_sets = np.random.default_rng(0), HALVES + groups
    totals = {name: random.integers(0, 2**60, num_sets) for name in TOTALS}
    by_feature = {name: random.integers(0, 2**60, (num_sets, N_FEATURES)) for name in BY_FEATURE}
    named = NamedTextSums(TextSums(**totals, **by_feature), {HALVES + one: f"group {one}" for one in range(groups)})
    back = from_parquet(to_parquet(named), N_FEATURES)
    assert_same_bits(back.sums, named.sums)
    assert back.names == named.names
