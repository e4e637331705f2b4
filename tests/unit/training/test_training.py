"""Training TopK autoencoders: losses against dense formulas, initialisation, and the decoder's norm."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sparse_autoencoder.model import Autoencoder, TopK
from sparse_autoencoder.training.decoder_norm import normalise_decoder, project_out_parallel_gradient
from sparse_autoencoder.training.initialisation import geometric_median, initialised
from sparse_autoencoder.training.losses import AuxK, topk_loss

WIDTH, N_LATENTS, K = 8, 24, 3
NONE_DEAD = torch.zeros(N_LATENTS, dtype=torch.bool)


def inputs(n: int = 32) -> Tensor:
    return torch.randn(n, WIDTH, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def autoencoder() -> Autoencoder:
    return initialised(inputs(), N_LATENTS, K, seed=0).double()


def dense(autoencoder: Autoencoder, x: Tensor, latents_of: Tensor) -> Tensor:
    """What chosen latents [batch, n_latents] decode to, by the plain formula without `pre_bias`."""
    return latents_of @ autoencoder.decoder.weight.T


def pre_activations_of(autoencoder: Autoencoder, x: Tensor) -> tuple[Tensor, Tensor]:
    normalised, _ = autoencoder.preprocess(x)
    return normalised, autoencoder.encode_pre_act(normalised)


def reconstruction_error(autoencoder: Autoencoder, x: Tensor) -> tuple[Tensor, Tensor]:
    """The error [batch, width] in normalised units, and the FVU."""
    normalised, pre_activations = pre_activations_of(autoencoder, x)
    latents = autoencoder.activation(pre_activations)
    error = normalised - autoencoder.pre_bias - dense(autoencoder, x, latents)
    return error, error.square().mean() / (normalised - normalised.mean(dim=0)).square().mean()


def test_without_dead_latents_the_loss_is_the_fraction_of_variance_unexplained(autoencoder: Autoencoder) -> None:
    x = inputs().double()
    loss = topk_loss(autoencoder, x, NONE_DEAD, AuxK(4))
    _error, fvu = reconstruction_error(autoencoder, x)
    assert torch.allclose(loss.total, fvu, rtol=1e-12)
    assert torch.equal(loss.fvu, loss.total.detach())


def test_auxk_is_how_badly_the_strongest_dead_latents_predict_the_error(autoencoder: Autoencoder) -> None:
    x, auxk = inputs().double(), AuxK(k=2, coefficient=0.5)
    dead = torch.arange(N_LATENTS) % 2 == 0
    loss = topk_loss(autoencoder, x, dead, auxk)
    error, fvu = reconstruction_error(autoencoder, x)
    _normalised, pre_activations = pre_activations_of(autoencoder, x)
    of_dead = TopK(auxk.k)(pre_activations.masked_fill(~dead, -torch.inf))
    auxiliary = (error - dense(autoencoder, x, of_dead)).square().mean() / error.square().mean()
    assert torch.allclose(loss.total, fvu + 0.5 * auxiliary, rtol=1e-12)


def test_auxk_moves_only_dead_latents(autoencoder: Autoencoder) -> None:
    x, dead = inputs().double(), torch.arange(N_LATENTS) < 6
    gradients = []
    for latents in (NONE_DEAD, dead):
        loss = topk_loss(autoencoder, x, latents, AuxK(2))
        (gradient,) = torch.autograd.grad(loss.total, [autoencoder.decoder.weight])
        gradients.append(gradient)
    moved = (gradients[1] - gradients[0]).abs().amax(dim=0) > 1e-12
    assert bool(moved[dead].any())
    assert not bool(moved[~dead].any())


def test_fewer_dead_latents_than_k_are_left_alone(autoencoder: Autoencoder) -> None:
    x, few = inputs().double(), torch.arange(N_LATENTS) < 3
    assert torch.equal(
        topk_loss(autoencoder, x, few, AuxK(4)).total, topk_loss(autoencoder, x, NONE_DEAD, AuxK(4)).total
    )


def test_active_latents_are_those_above_zero_at_any_input(autoencoder: Autoencoder) -> None:
    x = inputs().double()
    latents, _info = autoencoder.encode(x)
    assert torch.equal(topk_loss(autoencoder, x, NONE_DEAD, AuxK(1)).active, (latents > 0).any(dim=0))


def test_other_activations_are_refused() -> None:
    with pytest.raises(TypeError, match="this loss is for TopK autoencoders, not for ReLU"):
        topk_loss(Autoencoder(N_LATENTS, WIDTH), inputs(), NONE_DEAD, AuxK(1))


def test_the_geometric_median_ignores_how_far_an_outlier_is() -> None:
    near = torch.tensor([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    medians = [geometric_median(torch.cat([near, torch.tensor([[far, 0.0]])]), 200) for far in (10.0, 1e6)]
    assert torch.allclose(medians[0], medians[1], atol=1e-3)


def test_an_initialised_decoder_is_the_encoders_transpose_with_columns_of_unit_norm() -> None:
    autoencoder = initialised(inputs(), N_LATENTS, K, seed=0)
    assert torch.equal(autoencoder.decoder.weight, autoencoder.encoder.weight.T)
    assert torch.allclose(autoencoder.decoder.weight.norm(dim=0), torch.ones(N_LATENTS))


def test_the_projected_gradient_is_orthogonal_to_the_columns(autoencoder: Autoencoder) -> None:
    topk_loss(autoencoder, inputs().double(), NONE_DEAD, AuxK(1)).total.backward()  # type: ignore[no-untyped-call]
    normalise_decoder(autoencoder)
    project_out_parallel_gradient(autoencoder)
    gradient = autoencoder.decoder.weight.grad
    assert gradient is not None
    along = (gradient * autoencoder.decoder.weight).sum(dim=0)
    assert torch.allclose(along, torch.zeros_like(along), atol=1e-12)


def test_projecting_before_backward_is_an_error(autoencoder: Autoencoder) -> None:
    with pytest.raises(RuntimeError, match="call backward first"):
        project_out_parallel_gradient(autoencoder)
