"""The two-step top-k against a full sort."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.kernels.any_device_top_k import top_k
from tests.support.devices import on_each_device

COLUMNS = (7, 64, 512, 1_000, 4_096, 32_768)


@on_each_device
@given(
    n_rows=st.integers(0, 5),
    n_columns=st.sampled_from(COLUMNS),
    k=st.sampled_from([1, 2, 7, 32]),
    different=st.sampled_from([3, 40, 10**6]),
    dtype=st.sampled_from([torch.float32, torch.bfloat16, torch.float64]),
    seed=st.integers(0, 2**31),
)
def test_it_finds_the_largest_in_order(
    device: str, n_rows: int, n_columns: int, k: int, different: int, dtype: torch.dtype, seed: int
) -> None:
    k = min(k, n_columns)
    numbers = np.random.default_rng(seed).integers(-different, different, (n_rows, n_columns))
    rows = torch.from_numpy(numbers).to(dtype)
    values, columns = (found.cpu() for found in top_k(rows.to(device), k))
    in_order = np.sort(rows.double().numpy(), axis=1)[:, ::-1]
    np.testing.assert_array_equal(values.double().numpy(), in_order[:, :k])
    np.testing.assert_array_equal(rows.gather(1, columns).double().numpy(), values.double().numpy())
    assert all(len(set(row)) == k for row in columns.tolist())


@on_each_device
@pytest.mark.parametrize("column", [0, 17, 4_095])
def test_what_is_no_number_comes_first(column: int, device: str) -> None:
    rows = torch.arange(4_096.0)[None].clone()
    rows[0, column] = torch.nan
    values, columns = top_k(rows.to(device), 4)
    assert columns[0, 0] == column
    assert values[0].isnan().tolist() == [True, False, False, False]
