"""Attention against its formula in float64, in every way that it is computed."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sparse_autoencoder.kernels.attention import causal_attention
from sparse_autoencoder.kernels.precision import multiplying
from tests.support.devices import on_each_device

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 3e-2}


def by_the_formula(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Position by position, in float64."""
    mixed = torch.zeros(query.shape, dtype=torch.float64)
    ahead = key.shape[2] - query.shape[2]
    for window in range(query.shape[0]):
        for head in range(query.shape[1]):
            for position in range(query.shape[2]):
                seen = slice(0, ahead + position + 1)
                scores = scale * key[window, head, seen].double() @ query[window, head, position].double()
                mixed[window, head, position] = scores.softmax(0) @ value[window, head, seen].double()
    return mixed


@on_each_device
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("positions", [1, 5, 140])
@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_each_position_takes_from_those_before_it_by_their_scores(
    ahead: int, positions: int, dtype: torch.dtype, device: str
) -> None:
    torch.manual_seed(positions + ahead)
    query = torch.randn(2, 3, positions, 8).to(dtype)
    key, value = torch.randn(2, 2, 3, ahead + positions, 8).to(dtype)
    with multiplying(tf32=False):
        found = causal_attention(query.to(device), key.to(device), value.to(device), scale=1 / math.sqrt(8)).cpu()
    assert found.dtype == dtype
    expected = by_the_formula(query, key, value, 1 / math.sqrt(8))
    torch.testing.assert_close(found.double(), expected, atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype])
