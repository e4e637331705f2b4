"""The encoder's half, laid out for the machine, against the autoencoder itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from sparse_autoencoder.autoencoders.latent_encoder import LatentEncoder, SparseLatents
from sparse_autoencoder.kernels import tiled_matmul
from sparse_autoencoder.model import Autoencoder, TopK
from tests.support.devices import on_each_device

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 3e-2}
ACTIVATIONS = {"topk": TopK(7), "relu": nn.ReLU(), "identity": nn.Identity()}


def random_autoencoder(activation: str) -> Autoencoder:
    torch.manual_seed(5)
    autoencoder = Autoencoder(200, 24, ACTIVATIONS[activation], normalize=activation == "topk")
    for parameter in autoencoder.parameters():
        nn.init.normal_(parameter, std=0.3)
    return autoencoder.requires_grad_(False)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_its_pre_activations_are_the_autoencoder_s(activation: str, dtype: torch.dtype) -> None:
    autoencoder = random_autoencoder(activation)
    vectors = torch.randn(33, 24, generator=torch.Generator().manual_seed(1)).to(dtype)
    exact = autoencoder.double().encode_pre_act(autoencoder.preprocess(vectors.double())[0])
    found = LatentEncoder(autoencoder.to(dtype)).pre_activations(vectors)
    tolerance = TOLERANCE[dtype] * float(exact.abs().max())
    torch.testing.assert_close(found.double(), exact, atol=tolerance, rtol=tolerance)


def active_values(found: SparseLatents, vectors: list[int], n_latents: int) -> NDArray[np.float64]:
    """Dense [vectors, n_latents]."""
    asked = torch.tensor(vectors, dtype=torch.int64, device=found.counts.device)
    place, latent, value = (part.cpu() for part in found.active(asked))
    dense = np.zeros((len(vectors), n_latents))
    dense[place, latent] = value
    assert np.count_nonzero(dense) == len(place)
    return dense


@on_each_device
@pytest.mark.parametrize("vectors_at_once", [1, 10, 33, 128])
@pytest.mark.parametrize("latents_at_once", [64, 1000])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_its_sparse_latents_are_the_positive_ones_of_the_autoencoder(
    activation: str, latents_at_once: int, vectors_at_once: int, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiled_matmul, "TILE_ROWS", {"cpu": vectors_at_once, "cuda": vectors_at_once})
    monkeypatch.setattr(tiled_matmul, "TILE_COLUMNS", latents_at_once)
    autoencoder = random_autoencoder(activation).double()
    vectors = torch.randn(33, 24, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = autoencoder.encode(vectors)[0].clamp(min=0).numpy()
    found = active_values(LatentEncoder(autoencoder.to(device)).sparse(vectors.to(device)), list(range(33)), 200)
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_vectors_can_be_asked_for_in_any_order_and_more_than_once(activation: str) -> None:
    autoencoder = random_autoencoder(activation).double()
    vectors = torch.randn(5, 24, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = LatentEncoder(autoencoder).sparse(vectors)
    in_order = active_values(found, [0, 1, 2, 3, 4], 200)
    np.testing.assert_array_equal(active_values(found, [4, 1, 1, 0], 200), in_order[[4, 1, 1, 0]])


def test_no_vectors_have_no_latents() -> None:
    found = LatentEncoder(random_autoencoder("topk")).sparse(torch.zeros(0, 24))
    assert [len(part) for part in found.active(torch.zeros(0, dtype=torch.int64))] == [0, 0, 0]


def test_a_latent_that_is_no_number_is_among_the_active_ones() -> None:
    autoencoder = random_autoencoder("topk")
    vectors = torch.zeros(2, 24)
    vectors[1, 3] = torch.nan
    place, _latent, value = LatentEncoder(autoencoder).sparse(vectors).active(torch.tensor([0, 1]))
    assert value[place == 1].isnan().any()
