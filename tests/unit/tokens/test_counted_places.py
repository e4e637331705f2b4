"""Which tokens of a row count is known from its length alone."""

from __future__ import annotations

import numpy as np
import pytest

from sparse_autoencoder.tokens.token_policy import Bos, TokenPolicy
from sparse_autoencoder.tokens.windows import windows_of

BOS = 50_256


@pytest.mark.parametrize("bos", ["exclude", "include", "none"])
@pytest.mark.parametrize("context", [0, 3])
def test_a_rows_counted_places_are_those_that_its_windows_count(bos: Bos, context: int) -> None:
    policy = TokenPolicy(BOS, max_tokens=8, bos=bos, context=context)
    for length in range(40):
        windows = windows_of(np.array([7]), np.arange(length, dtype=np.int32), np.array([0, length]), policy)
        own = int(policy.prepends_bos)
        expected = [
            -1 if position < own else int(policy.window_offsets(windows.numbers[number])) + position - own
            for number in range(len(windows))
            for position in range(windows.first_counted[number], windows.lengths[number])
        ]
        assert policy.counted_places(length).tolist() == expected
        assert policy.num_counted(np.array([length])).tolist() == [len(expected)]


@pytest.mark.parametrize("bos", ["exclude", "include", "none"])
@pytest.mark.parametrize("context", [0, 3])
def test_a_counted_token_and_its_index_follow_from_each_other(bos: Bos, context: int) -> None:
    policy = TokenPolicy(BOS, max_tokens=8, bos=bos, context=context)
    for length in range(40):
        places = policy.counted_places(length)
        number = np.cumsum(places < 0, dtype=np.int64)
        expected = np.where(places < 0, -number, places)
        index = np.arange(len(places))
        assert policy.counted_token(index).tolist() == expected.tolist()
        assert policy.counted_index(expected).tolist() == index.tolist()
