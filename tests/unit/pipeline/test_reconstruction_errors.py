"""The sums of how well the autoencoder gives back its input, against dense float64 and known values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from sparse_autoencoder.autoencoders.latent_encoder import LatentEncoder
from sparse_autoencoder.kernels import tiled_matmul
from sparse_autoencoder.model import Autoencoder, TopK
from sparse_autoencoder.pipeline.reconstruction_errors import batch_sums, summed
from sparse_autoencoder.summaries.reconstruction_sums import ReconstructionSums, position_buckets
from tests.support.devices import on_each_device
from tests.support.same_bits import assert_same_bits

WIDTH, N_LATENTS, N, POSITIONS = 24, 60, 90, 12
ACTIVATIONS = {
    "topk": TopK(7),
    "relu": nn.ReLU(),
    "identity": nn.Identity(),
    "topk of identity": TopK(7, nn.Identity()),
}


def random_autoencoder(activation: str) -> Autoencoder:
    torch.manual_seed(5)
    normalises = activation.startswith("topk")
    autoencoder = Autoencoder(N_LATENTS, WIDTH, ACTIVATIONS[activation], normalize=normalises)
    for parameter in autoencoder.parameters():
        nn.init.normal_(parameter, std=0.3)
    return autoencoder.requires_grad_(False)


@dataclass(frozen=True)
class Tokens:
    """Vectors, how many tokens each stands for, and their positions."""

    vectors: torch.Tensor
    weight: torch.Tensor
    position: torch.Tensor

    @classmethod
    def random(cls) -> Tokens:
        generator = torch.Generator().manual_seed(1)
        scale = 3.0 ** torch.randint(-3, 4, (N, 1), generator=generator)
        vectors = scale * torch.randn(N, WIDTH, generator=generator) + torch.randn(WIDTH, generator=generator)
        weight = torch.randint(1, 9, (N,), generator=generator)
        return cls(vectors, weight, torch.randint(0, POSITIONS, (N,), generator=generator))

    def __getitem__(self, chosen: Any) -> Tokens:
        return Tokens(self.vectors[chosen], self.weight[chosen], self.position[chosen])

    def sums(self, autoencoder: Autoencoder, device: str = "cpu") -> ReconstructionSums:
        encoder, buckets = LatentEncoder(autoencoder.to(device)), torch.from_numpy(position_buckets(POSITIONS))
        vectors = self.vectors.to(device=device, dtype=autoencoder.pre_bias.dtype)
        places = (self.weight.to(device), buckets[self.position].to(device))
        inputs = encoder.inputs(vectors)
        return summed([batch_sums(encoder, inputs, encoder.encoded(inputs), *places, n_buckets=int(buckets[-1]) + 1)])

    def expected(self, autoencoder: Autoencoder) -> Dense:
        """Dense float64, each token by itself."""
        every = torch.repeat_interleave(torch.arange(len(self.vectors)), self.weight)
        vectors, exact = self.vectors.double()[every], autoencoder.double()
        own, info = exact.preprocess(vectors)
        latents, _info = exact.encode(vectors)
        spaces = {
            "raw": (vectors, exact.decode(latents, info)),
            "own": (own, exact.decoder(latents) + exact.pre_bias),
        }
        numbers = {name: (x.numpy(), r.numpy()) for name, (x, r) in spaces.items()}
        return Dense(numbers, latents.numpy(), self.position[every].numpy())


@dataclass(frozen=True)
class Dense:
    """The tokens' vectors and reconstructions in each space, latents, and positions."""

    spaces: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
    latents: NDArray[np.float64]
    position: NDArray[np.int64]

    def quantity(self, space: str, name: str) -> NDArray[np.float64]:
        """A quantity of each token."""
        x, r = self.spaces[space]
        lengths = np.linalg.norm(x, axis=1), np.linalg.norm(r, axis=1)
        product = (x * r).sum(1)
        found: dict[str, NDArray[np.float64]] = {
            "input": lengths[0] ** 2,
            "error": ((x - r) ** 2).sum(1),
            "product": product,
            "reconstruction": lengths[1] ** 2,
            "cosine": product / (lengths[0] * lengths[1]),
            "ratio": lengths[1] / lengths[0],
        }
        return found[name]


NAMES = [
    (space, name)
    for space in ("own", "raw")
    for name in ("input", "error", "product", "reconstruction", "cosine", "ratio")
]


@on_each_device
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_sums_are_those_of_dense_float64(activation: str, dtype: torch.dtype, device: str) -> None:
    autoencoder, tokens = random_autoencoder(activation), Tokens.random()
    dense = tokens.expected(autoencoder)
    sums = tokens.sums(autoencoder.to(dtype), device)
    assert sums.num_tokens == len(dense.position)
    bucket = position_buckets(POSITIONS)[dense.position]
    for space, name in NAMES:
        values = dense.quantity(space, name)
        total = np.abs(values).sum()
        assert sums.total(f"{space}.{name}") == pytest.approx(values.sum(), abs=2e-6 * total), (space, name)
        for number in range(len(sums.tokens)):
            here = values[bucket == number].sum()
            assert sums.total(f"{space}.{name}", number) == pytest.approx(here, abs=2e-6 * total), (space, name)
    norms = np.linalg.norm(dense.spaces["raw"][0], axis=1)
    assert sums.total("norm") == pytest.approx(norms.sum(), rel=1e-6)
    for space, (x, _r) in dense.spaces.items():
        variation = ((x - x.mean(0)) ** 2).sum()
        assert sums.variation(space) == pytest.approx(variation, rel=1e-4)
    own = dense.spaces["own"][0]
    for number in range(len(sums.tokens)):
        away = ((own[bucket == number] - own.mean(0)) ** 2).sum()
        assert sums.variation_at(number) == pytest.approx(away, rel=1e-3, abs=1e-3)
    active = (dense.latents > 0).sum(1)
    assert sums.active.tolist() == np.bincount(active).tolist()
    assert sums.norm_quantile(0.5) == pytest.approx(np.quantile(norms, 0.5, method="inverted_cdf"), rel=0.03)
    assert sums.odd.tolist() == [(dense.latents < 0).sum() if activation == "topk of identity" else 0, 0]


@pytest.mark.parametrize("activation", ["topk", "relu"])
@pytest.mark.parametrize("seed", range(3))
def test_any_split_of_the_tokens_in_any_order_gives_the_same_bits(activation: str, seed: int) -> None:
    autoencoder, tokens = random_autoencoder(activation).double(), Tokens.random()
    generator = np.random.default_rng(seed)
    parts = np.array_split(generator.permutation(N), generator.integers(1, 20))
    merged = ReconstructionSums.empty()
    for part in parts:
        merged = tokens[torch.from_numpy(part)].sums(autoencoder).merge(merged)
    assert_same_bits(merged, tokens.sums(autoencoder))


def test_the_size_of_tiles_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    autoencoder, tokens = random_autoencoder("relu").double(), Tokens.random()
    whole = tokens.sums(autoencoder)
    monkeypatch.setattr(tiled_matmul, "TILE_ROWS", {"cpu": 7})
    assert_same_bits(tokens.sums(autoencoder), whole)


def test_elements_are_added_exactly_whatever_their_size() -> None:
    autoencoder = random_autoencoder("relu").double()
    vectors = torch.tensor([[3e6], [2.0**-16], [-3e6], [5e3]]).expand(4, WIDTH)
    tokens = Tokens(vectors, torch.tensor([1 << 19, 3, 1 << 19, 1]), torch.zeros(4, dtype=torch.int64))
    assert set(tokens.sums(autoencoder).raw_elements.tolist()) == {3 + (5000 << 16)}


def test_a_token_with_numbers_that_are_not_finite_is_left_out_and_counted() -> None:
    autoencoder, tokens = random_autoencoder("relu"), Tokens.random()
    expected = tokens[1:].sums(autoencoder)
    tokens.vectors[0, 3] = torch.inf
    found = tokens.sums(autoencoder)
    assert found.odd.tolist() == [0, int(tokens.weight[0])]
    assert found.num_tokens == expected.num_tokens
    assert found.total("own.error") == expected.total("own.error")
    assert found.raw_elements.tolist() == expected.raw_elements.tolist()


def test_its_bytes_hold_everything() -> None:
    sums = Tokens.random().sums(random_autoencoder("topk"))
    assert_same_bits(ReconstructionSums.from_arrays(sums.to_arrays()), sums)
    nothing = ReconstructionSums.empty()
    assert_same_bits(ReconstructionSums.from_arrays(nothing.to_arrays()), nothing)


# Known values


def fvu_of(autoencoder: Autoencoder, vectors: torch.Tensor) -> float:
    weight = torch.ones(len(vectors), dtype=torch.int64)
    sums = Tokens(vectors, weight, torch.zeros(len(vectors), dtype=torch.int64)).sums(autoencoder)
    return sums.total("own.error") / sums.variation("own")


def linear(encoder: torch.Tensor, bias: torch.Tensor) -> Autoencoder:
    """bias + encoder^T encoder (x - bias), by latents of both signs."""
    autoencoder = Autoencoder(2 * len(encoder), encoder.shape[1], nn.ReLU()).requires_grad_(False).double()
    both = torch.cat([encoder, -encoder])
    autoencoder.encoder.weight.copy_(both)
    autoencoder.decoder.weight.copy_(both.t())
    autoencoder.pre_bias.copy_(bias)
    return autoencoder


def spread_vectors() -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    mixing = torch.randn(WIDTH, WIDTH, generator=generator, dtype=torch.float64)
    return torch.randn(400, WIDTH, generator=generator, dtype=torch.float64) @ mixing + 5


def test_the_fvu_of_the_first_principal_components_is_the_share_of_the_other_eigenvalues() -> None:
    vectors = spread_vectors()
    values, directions = torch.linalg.eigh(torch.cov(vectors.t()))
    kept = linear(directions.t()[-10:], vectors.mean(0))
    assert fvu_of(kept, vectors) == pytest.approx(float(values[:-10].sum() / values.sum()), rel=1e-5)


def test_a_perfect_reconstruction_has_fvu_0_the_mean_1_and_zero_more() -> None:
    vectors = spread_vectors()
    mean = vectors.mean(0)
    assert fvu_of(linear(torch.eye(WIDTH, dtype=torch.float64), mean), vectors) == pytest.approx(0, abs=1e-10)
    nothing = torch.zeros(1, WIDTH, dtype=torch.float64)
    assert fvu_of(linear(nothing, mean), vectors) == pytest.approx(1, rel=1e-5)
    uncentred = float(vectors.square().sum() / (vectors - mean).square().sum())
    assert fvu_of(linear(nothing, torch.zeros_like(mean)), vectors) == pytest.approx(uncentred, rel=1e-5)
    assert uncentred > 1.1
