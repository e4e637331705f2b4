"""Neighbours are those of brute force over all pairs, whatever the tiles; duplicates are neighbours, oneself isn't."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sparse_autoencoder.directions.neighbours import neighbours
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.neighbours_file import NEIGHBOURS, Neighbours


def directions_of(n: int, width: int = 24, seed: int = 0, *, alike: float = 1.0) -> Tensor:
    """Directions in crowds: many cosines lie close together."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.empty(8, width).normal_(generator=generator)
    noise = torch.empty(n, width).normal_(generator=generator)
    return centres[torch.arange(n) % 8] + alike * noise


def brute_force(x: Tensor, others: Tensor | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The nearest by float64 cosines of the float32 directions of length 1, equal ones by id."""

    def unit(vectors: Tensor) -> Tensor:
        norms = vectors.double().norm(dim=1, keepdim=True)
        return (vectors.double() / torch.where(norms > 0, norms, 1)).float().double()

    cosines = (unit(x)[:, None] * unit(x if others is None else others)[None]).sum(-1)
    if others is None:
        cosines.fill_diagonal_(-torch.inf)
    order = cosines.argsort(dim=1, descending=True, stable=True)[
        :, : min(NEIGHBOURS, cosines.shape[1] - (others is None))
    ]
    return order.numpy(), cosines.gather(1, order).numpy()


def assert_brute_force(found: Neighbours, x: Tensor, others: Tensor | None = None) -> None:
    features, cosines = brute_force(x, others)
    np.testing.assert_array_equal(found.features, features)
    np.testing.assert_array_equal(found.cosines, cosines.astype(np.float32))


@pytest.mark.parametrize("alike", [1.0, 1e-3])
def test_neighbours_are_those_of_brute_force(alike: float) -> None:
    x = directions_of(400, alike=alike)
    assert_brute_force(neighbours(x), x)


def test_neighbours_in_another_dictionary_may_have_the_same_id() -> None:
    x, others = directions_of(90), directions_of(300, seed=1)
    others[7] = x[7]
    found = neighbours(x, others)
    assert_brute_force(found, x, others)
    assert found.features[7, 0] == 7


def test_duplicates_are_neighbours_and_go_by_id() -> None:
    x = directions_of(60)
    x = torch.cat([x, x[:5].repeat(20, 1), 2 * x[:1]])
    found = neighbours(x)
    assert_brute_force(found, x)
    assert 0 not in found.features[0]
    assert found.features[1].tolist() == list(range(61, 61 + 5 * NEIGHBOURS, 5))


def test_a_direction_of_length_0_is_as_near_to_all() -> None:
    x = directions_of(200)
    x[[0, 50]] = 0
    found = neighbours(x)
    assert found.features[50].tolist() == list(range(NEIGHBOURS))
    assert found.features[0].tolist() == list(range(1, NEIGHBOURS + 1))
    assert (found.cosines[[0, 50]] == 0).all()


@pytest.mark.parametrize("rows", [1, 7, 200])
def test_the_size_of_tiles_changes_no_bit(rows: int) -> None:
    x = directions_of(150, alike=1e-3)
    assert neighbours(x, tile_rows=rows).cosines.tobytes() == neighbours(x).cosines.tobytes()


@given(st.integers(1, 30), st.integers(0, 5))
def test_few_features_have_few_neighbours(n: int, seed: int) -> None:
    x = directions_of(n, width=4, seed=seed)
    assert_brute_force(neighbours(x), x)


def test_other_widths_are_refused() -> None:
    with pytest.raises(SaescopeError, match="of width 4 can't be compared with those of width 5"):
        neighbours(torch.ones(2, 4), torch.ones(2, 5))
