"""The published formula against what is computed the fast way: equal, and mistakes planted in the fast way are told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sparse_autoencoder.autoencoders.latent_encoder import LatentEncoder
from sparse_autoencoder.autoencoders.openai_checkpoint import load_autoencoder
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.kernels.tiled_matmul import TiledLinear
from sparse_autoencoder.pipeline.chunk_encoder import Encoder
from sparse_autoencoder.pipeline.first_chunk import COMPARED, TOLERANCE, check_formula
from sparse_autoencoder.pipeline.load_inputs import load_models, load_tokens, open_rows
from sparse_autoencoder.runs.first_chunk_checks import FormulaCheck
from sparse_autoencoder.summaries.feature_summary import SummarySpec
from sparse_autoencoder.tokens.chunks import read_chunks
from sparse_autoencoder.tokens.windows import Windows, cut_windows
from tests.support.runs import N_LATENTS, K, World, make_world, one_thread


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with one_thread():
        yield make_world(tmp_path_factory.mktemp("world"), n_rows=60)


def windows_of(world: World, **options: Any) -> Windows:
    settings = world.options(**options)
    tokens = load_tokens(settings)
    with open_rows(settings) as rows:
        chunk = next(iter(read_chunks(iter(rows), tokens.tokenizer, 100, tokens.policy)))
    return cut_windows(chunk, tokens.policy)


def encoder_of(world: World, **options: Any) -> Encoder:
    return load_models(world.options(**options)).any_encoder.with_spec(SummarySpec(N_LATENTS, 2, 0))


EXACT = TOLERANCE["float32"]


def checked(world: World, autoencoder: Path, tolerance: float = EXACT, **options: Any) -> FormulaCheck:
    encoder = encoder_of(world, autoencoder=autoencoder, **options)
    return check_formula(encoder, windows_of(world, **options), load_autoencoder(autoencoder), tolerance)


@pytest.mark.parametrize("bos", ["exclude", "include", "none"])
@pytest.mark.parametrize("kind", ["topk", "relu"])
def test_what_is_computed_the_fast_way_is_what_the_formula_gives(tiny: World, kind: str, bos: str) -> None:
    assert checked(tiny, getattr(tiny, kind), bos=bos) == FormulaCheck(num_tokens=COMPARED, num_different=0)


def test_in_bfloat16_it_is_that_to_bfloat16_s_rounding(tiny: World) -> None:
    assert checked(tiny, tiny.topk, TOLERANCE["bfloat16"], precision="bfloat16").num_different == 0
    assert checked(tiny, tiny.topk, EXACT, precision="bfloat16").num_different > 0


@pytest.mark.parametrize("wrong_k", [K - 1, K + 1])
def test_a_wrong_k_is_told(tiny: World, wrong_k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = encoder_of(tiny)
    monkeypatch.setattr(encoder.latents._activation, "k", wrong_k)
    found = check_formula(encoder, windows_of(tiny), load_autoencoder(tiny.topk), EXACT)
    assert found.num_different > COMPARED // 2
    assert found.problem is not None


def test_a_missing_relu_is_told(tiny: World, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, plain = encoder_of(tiny), load_autoencoder(tiny.topk)
    lowered(encoder.latents)
    with torch.no_grad():
        plain.latent_bias -= 1  # so that some of the selected ones are negative
    assert check_formula(encoder, windows_of(tiny), plain, EXACT).num_different == 0
    monkeypatch.setattr(encoder.latents._activation, "postact_fn", nn.Identity())
    found = check_formula(encoder, windows_of(tiny), plain, EXACT)
    assert found.num_different > 0
    assert found.problem is not None
    assert found.problem.endswith("and should be 0")


def test_another_activation_function_is_told(tiny: World, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = encoder_of(tiny, autoencoder=tiny.relu)
    monkeypatch.setattr(encoder.latents, "_activation", Raised())
    assert check_formula(encoder, windows_of(tiny), load_autoencoder(tiny.relu), EXACT).num_different > COMPARED // 2


class Raised(nn.Module):
    """Another activation function than ReLU."""

    def forward(self, numbers: Tensor) -> Tensor:
        return numbers + 0.5


def lowered(latents: LatentEncoder) -> None:
    """Lower all of an encoder's pre-activations by 1."""
    linear = latents._encoder
    assert isinstance(linear, TiledLinear)
    for tile in linear._tiles:
        tile._bias = tile._bias - 1


def test_what_stops_the_encoder_meanwhile_is_raised_on_and_is_no_problem_of_a_check(tiny: World) -> None:
    options = tiny.options(check_neighbours=True)
    models, tokens = load_models(options), load_tokens(options)
    with open_rows(options) as rows:
        metadata = models.metadata(options, "run-1", rows.describe(), "")
        chunk = next(iter(read_chunks(iter(rows), tokens.tokenizer, 100, tokens.policy)))
    encoder = models.encoder(metadata)
    assert encoder.check_first is not None
    calls: list[int] = []
    encoder.moved = lambda: calls.append(1)
    assert encoder.check_first(encoder, chunk).problems == []
    for call in (1, len(calls) // 2, len(calls)):
        left = iter(range(call))

        def stop(left: Iterator[int] = left, last: int = call - 1) -> None:
            if next(left) == last:
                raise SaescopeError("stop")

        encoder.moved = stop
        with pytest.raises(SaescopeError, match="stop"):
            encoder.check_first(encoder, chunk)


def test_latents_of_the_wrong_tokens_are_told(tiny: World, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = encoder_of(tiny)
    real = Encoder.activations

    def shifted(self: Encoder, block: Windows) -> Any:
        found: Any = real(self, block)
        return type(found)(found.token[::-1].copy(), found.feature, found.value)

    monkeypatch.setattr(Encoder, "activations", shifted)
    found = check_formula(encoder, windows_of(tiny), load_autoencoder(tiny.topk), EXACT)
    assert found.num_different > 0
    assert found.problem is not None
    assert found.problem.endswith(" in the chunk's activations")
