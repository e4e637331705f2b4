"""Comparing how well an autoencoder gives back several places: margins from rows, and what they lead to."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparse_autoencoder.autoencoders.latent_encoder import LatentEncoder
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.model import Autoencoder
from sparse_autoencoder.pipeline.neighbouring_places import (
    CLEAR,
    LEAST_ROWS,
    SAMPLE_ROWS,
    Family,
    Fit,
    check_neighbours,
    fit_of,
    sample,
)
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.windows import Windows, windows_of

WIDTH = 6
POLICY = TokenPolicy(bos_token_id=None, bos="none", max_tokens=64)


def rows_of(lengths: list[int], seed: int = 0) -> Windows:
    tokens = np.random.default_rng(seed).integers(0, 100, sum(lengths)).astype(np.int32)
    return windows_of(np.arange(len(lengths)), tokens, np.cumsum([0, *lengths]), POLICY)


class Layers:
    """A language model whose layers give vectors that are drawn by token, and spread as each layer says."""

    name = "layers"
    vocab_size, max_positions = 100, 64
    device, dtype, many_threads = torch.device("cpu"), torch.float64, False

    def __init__(self, *spread: float, from_position: int = 64) -> None:
        self.n_layers = len(spread)
        self._spread = spread
        self._from_position = from_position  # from which on the vectors are of another kind

    def width(self, location: str, _layer_index: int) -> int:
        if location not in ("resid_post_mlp", "mlp_post_act"):
            raise SaescopeError("no such place")
        return WIDTH if location == "resid_post_mlp" else 2 * WIDTH

    def activations(self, tokens: Tensor, location: str, layer_index: int) -> Tensor:
        assert location == "resid_post_mlp"
        table = torch.randn(100, WIDTH, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        vectors = table[tokens]
        late = torch.arange(tokens.shape[1])[:, None] >= self._from_position
        beyond = torch.where(late, 2.0, self._spread[layer_index])
        return torch.cat([vectors[..., :3], vectors[..., 3:] * beyond], dim=-1)


def first_three(scale: float = 1.0) -> LatentEncoder:
    """An autoencoder that gives back the first three dimensions and nothing of the others."""
    autoencoder = Autoencoder(6, WIDTH).requires_grad_(False).double()
    both = torch.zeros(6, WIDTH, dtype=torch.float64)
    both[:3, :3], both[3:, :3] = torch.eye(3), -torch.eye(3)
    autoencoder.encoder.weight.copy_(both)
    autoencoder.decoder.weight.copy_(both.t() * scale)
    return LatentEncoder(autoencoder)


def test_the_best_place_is_its_own_or_another() -> None:
    block = rows_of([10] * 60)
    right = check_neighbours(Layers(0.9, 0.3, 0.9), first_three(), ("resid_post_mlp", 1), block, POLICY, [])
    assert [(one.layer, one.location) for one in right.places] == [(layer, "resid_post_mlp") for layer in (1, 0, 2)]
    assert (right.doubts, right.supports, right.num_rows, right.num_tokens) == ([], True, 60, 600)
    assert all(one.distance > CLEAR for one in right.places[1:])
    wrong = check_neighbours(Layers(0.9, 0.5, 0.3), first_three(), ("resid_post_mlp", 1), block, POLICY, [])
    assert not wrong.supports
    (doubt,) = wrong.doubts
    assert doubt.startswith("it gives back resid_post_mlp of layer 2 better than resid_post_mlp of layer 1 (FVU 0.0")


def test_places_that_differ_by_chance_alone_neither_support_nor_deny() -> None:
    found = check_neighbours(Layers(0.5, 0.5), first_three(), ("resid_post_mlp", 1), rows_of([10] * 60), POLICY, [])
    assert (found.doubts, found.supports) == ([], False)


def test_the_family_s_autoencoder_that_gives_back_this_place_better_is_told() -> None:
    block = rows_of([10] * 60)
    place = ("resid_post_mlp", 1)
    found = check_neighbours(
        Layers(0.9, 0.3, 0.9), first_three(scale=0.8), place, block, POLICY, [Family("other.pt", 2, first_three)]
    )
    (doubt,) = found.doubts
    assert doubt.startswith("the autoencoder of layer 2, other.pt, gives back this place better")
    worse = [Family("other.pt", 2, lambda: first_three(scale=0.5))]
    assert check_neighbours(Layers(0.9, 0.3, 0.9), first_three(), place, block, POLICY, worse).doubts == []


def test_positions_from_which_on_little_is_given_back_are_told() -> None:
    block = rows_of([40] * 30)
    place = ("resid_post_mlp", 0)
    found = check_neighbours(Layers(0.3, from_position=16), first_three(), place, block, POLICY, [])
    assert found.rise is not None
    assert found.rise.position == 16
    assert found.rise.fvu > found.rise.fvu_before
    assert check_neighbours(Layers(0.3), first_three(), place, block, POLICY, []).rise is None


def test_few_rows_are_refused() -> None:
    with pytest.raises(SaescopeError, match="the first chunk has 19 rows for it, and it takes 20"):
        sample(rows_of([5] * (LEAST_ROWS - 1)))


def test_the_sample_is_of_many_rows_also_where_they_are_long() -> None:
    assert len(sample(rows_of([40] * 100))) == 52  # windows with 2,048 tokens
    long = sample(rows_of([64 * 30] * 50))
    assert (len(long), set(long.numbers.tolist())) == (SAMPLE_ROWS, {0})
    both = sample(rows_of([100] * 25))
    assert both.row_ids.tolist() == sorted(both.row_ids.tolist())
    assert len(np.unique(both.row_ids)) == 25


def fits(rng: np.random.Generator, rows: int, better: float) -> tuple[Fit, Fit]:
    """Two autoencoders' errors on the same rows, of tokens that are alike within a row."""
    row: NDArray[np.int64] = np.repeat(np.arange(rows), rng.integers(1, 12, rows))
    variation = np.exp(rng.normal(size=rows))[row] * rng.uniform(0.5, 1.5, len(row))
    kind = rng.normal(0.3, 0.1, rows).clip(0.01)
    errors = [(kind + rng.normal(0, 0.05, rows) + move)[row] * variation for move in (0.0, better)]
    return Fit(errors[0], variation, row), Fit(errors[1], variation, row)


def test_a_distance_is_in_standard_errors_over_rows() -> None:
    rng = np.random.default_rng(5)
    distances = [one.distance_above(other) for one, other in (fits(rng, 80, 0.0) for _ in range(300))]
    assert np.std(distances) == pytest.approx(1.0, abs=0.15)
    assert np.mean(distances) == pytest.approx(0.0, abs=0.2)
    assert np.mean([one.distance_above(other) for one, other in (fits(rng, 80, 0.06) for _ in range(50))]) < -CLEAR


def test_vectors_that_do_not_vary_have_no_fvu() -> None:
    row = np.zeros(3, np.int64)
    fit = fit_of(first_three(), torch.ones(3, WIDTH, dtype=torch.float64), row)
    assert fit.fvu is None
    assert fit.distance_above(fit) == 0.0
