"""Windows as flat arrays, and back."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.batch_layout import Layout


@given(batch=st.integers(0, 5), positions=st.integers(1, 6), values=st.integers(1, 3), seed=st.integers(0, 99))
def test_what_was_made_flat_comes_back(batch: int, positions: int, values: int, seed: int) -> None:
    tokens = torch.randint(values, (batch, positions), generator=torch.Generator().manual_seed(seed))
    layout = Layout.of(tokens)
    flat = layout.flat(tokens)
    assert len(flat) == layout.shared + batch * layout.own
    assert torch.equal(layout.per_window(flat[:, None])[..., 0], tokens)


def test_what_all_windows_begin_with_is_there_once() -> None:
    layout = Layout.of(torch.tensor([[9, 1, 2, 7], [9, 1, 3, 7], [9, 1, 2, 8]]))
    assert layout == Layout(windows=3, shared=2, own=2)


def test_equal_windows_keep_a_token_each() -> None:
    assert Layout.of(torch.tensor([[4, 4], [4, 4]])) == Layout(windows=2, shared=1, own=1)


def test_a_single_window_shares_nothing() -> None:
    assert Layout.of(torch.tensor([[4, 4, 5]])) == Layout(windows=1, shared=0, own=3)
