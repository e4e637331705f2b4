"""The encoder's half, laid out for the machine, against the autoencoder itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from sparse_autoencoder.latents import LatentEncoder
from sparse_autoencoder.model import Autoencoder, TopK

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


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_its_sparse_latents_are_the_positive_ones_of_the_autoencoder(activation: str) -> None:
    autoencoder = random_autoencoder(activation).double()
    vectors = torch.randn(33, 24, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    row, latent, value = LatentEncoder(autoencoder).sparse(vectors)
    dense = np.zeros((33, 200))
    dense[row, latent] = value
    expected = autoencoder.encode(vectors)[0].clamp(min=0).numpy()
    np.testing.assert_allclose(dense, expected, atol=1e-6, rtol=1e-6)
    assert len(row) == np.count_nonzero(expected)
