"""Logit effects: what the formula says, checked on real models by small differences and by the plain product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

import demo
from sparse_autoencoder.directions.logit_effects import logit_effects
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.logit_effects_file import BINS, LogitEffects, TokenEffects
from sparse_autoencoder.subjects.subject import LanguageModel, load_subject
from sparse_autoencoder.subjects.unembedding import NoUnembeddingError, Unembedding, gain_of
from tests.unit.subjects.test_families import gemma, llama, mixtral, neox, opt


def random_directions(n: int, width: int, seed: int = 0) -> Tensor:
    return torch.empty(n, width).normal_(generator=torch.Generator().manual_seed(seed))


def plain(x: Tensor, unembedding: Unembedding) -> Tensor:
    """The shown effects [directions, vocab] by their formula, in float64."""
    x = x.double()
    if unembedding.centres:
        x = x - x.mean(dim=1, keepdim=True)
    effects = (unembedding.gain.double() * x) @ unembedding.weight.double().T
    return effects - effects.mean(dim=1, keepdim=True)


def assert_ends(found: TokenEffects, effects: Tensor) -> None:
    order = effects.argsort(dim=1, descending=True, stable=True).numpy()
    backwards = effects.argsort(dim=1, stable=True).numpy()
    for tokens, values, wanted in (
        (found.promoted, found.promoted_values, order),
        (found.suppressed, found.suppressed_values, backwards),
    ):
        np.testing.assert_array_equal(tokens, wanted[:, : tokens.shape[1]])
        np.testing.assert_allclose(values, effects.numpy()[np.arange(len(tokens))[:, None], tokens], rtol=1e-5)


@pytest.fixture(scope="module")
def gpt2() -> LanguageModel:
    return load_subject(demo.SUBJECT, last_layer=1)


@pytest.fixture(scope="module")
def directions(gpt2: LanguageModel) -> Tensor:
    return random_directions(150, gpt2.unembedding().weight.shape[1])


@pytest.fixture(scope="module")
def effects(gpt2: LanguageModel, directions: Tensor) -> LogitEffects:
    return logit_effects(directions, gpt2.unembedding())


def test_the_ends_are_those_of_the_plain_product(
    gpt2: LanguageModel, directions: Tensor, effects: LogitEffects
) -> None:
    assert_ends(effects.shown, plain(directions, gpt2.unembedding()))


def test_the_raw_variant_is_the_product_of_the_direction_and_the_unembedding(
    gpt2: LanguageModel, directions: Tensor, effects: LogitEffects
) -> None:
    x = directions.double()
    assert_ends(effects.raw, x / x.norm(dim=1, keepdim=True) @ gpt2.unembedding().weight.double().T)


def test_moments_and_histogram_are_those_of_all_tokens(
    gpt2: LanguageModel, directions: Tensor, effects: LogitEffects
) -> None:
    found = plain(directions, gpt2.unembedding()).numpy()
    z = found / found.std(axis=1, keepdims=True)
    np.testing.assert_allclose(effects.mean, 0, atol=1e-6)
    np.testing.assert_allclose(effects.std, found.std(axis=1), rtol=1e-5)
    np.testing.assert_allclose(effects.skew, (z**3).mean(axis=1), atol=1e-5)
    np.testing.assert_allclose(effects.kurtosis, (z**4).mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(effects.shown.low, found.min(axis=1), rtol=1e-5)
    np.testing.assert_allclose(effects.shown.high, found.max(axis=1), rtol=1e-5)
    heights = np.array([np.histogram(row, BINS)[0] for row in found])
    assert (effects.shown.histogram.sum(axis=1) == found.shape[1]).all()
    # a token within rounding of an edge may be in the next bin
    assert np.abs(effects.shown.histogram - heights).sum(axis=1).max() <= 4


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_the_size_of_tiles_changes_no_bit(
    gpt2: LanguageModel, directions: Tensor, effects: LogitEffects, rows: int
) -> None:
    again = logit_effects(directions[:30], gpt2.unembedding(), tile_rows=rows)
    for variant in ("shown", "raw"):
        for field in fields(TokenEffects):
            name = field.name
            found, wanted = (getattr(getattr(one, variant), name)[:30] for one in (again, effects))
            assert found.tobytes() == wanted.tobytes(), name
    assert again.kurtosis.tobytes() == effects.kurtosis[:30].tobytes()


def test_equal_effects_are_ordered_by_token(gpt2: LanguageModel) -> None:
    weight = gpt2.unembedding().weight[:40].repeat_interleave(20, dim=0)
    unembedding = Unembedding(weight, gpt2.unembedding().gain, centres=True)
    x = torch.cat([random_directions(3, weight.shape[1]), torch.zeros(1, weight.shape[1])])
    found = logit_effects(x, unembedding)
    assert_ends(found.shown, plain(x, unembedding).round(decimals=9))  # a matrix product adds some in another order
    assert found.shown.promoted[-1].tolist() == list(range(10))
    assert (found.shown.histogram[-1, 0], found.std[-1], found.kurtosis[-1]) == (800, 0, 0)


def logits_of(subject: LanguageModel, residual: Tensor) -> Callable[[Tensor], Tensor]:
    """The logits of a changed last residual stream [d_model], with the norm's mean and deviation as they were."""
    unembedding = subject.unembedding()
    residual = residual.double()
    centre = residual.mean() if unembedding.centres else residual.new_zeros(())
    scale = (residual - centre).square().mean().sqrt()

    def logits(change: Tensor) -> Tensor:
        changed = residual + change
        mean = changed.mean() if unembedding.centres else centre
        return unembedding.weight.double() @ (unembedding.gain.double() * (changed - mean) / scale)

    return logits


@pytest.mark.parametrize("make", [None, llama, gemma])
def test_small_differences_at_the_last_layer_agree(tmp_path: Path, make: Callable[[Path], Path] | None) -> None:
    subject = load_subject(demo.SUBJECT if make is None else make(tmp_path))
    residual = subject.activations(torch.tensor([[1, 2, 3]]), "resid_post_mlp", subject.n_layers - 1)[0, -1]
    logits = logits_of(subject, residual)
    x = random_directions(4, len(residual))
    found = logit_effects(x, subject.unembedding()).shown
    scale = float((logits(x[0].double()) - logits(torch.zeros_like(residual))).abs().max())
    for number, direction in enumerate(x.double()):
        step = 1e-3
        moved = (logits(step * direction) - logits(-step * direction)) / (2 * step)
        centre = residual.double().mean() if subject.unembedding().centres else 0.0
        moved = (moved - moved.mean()) * (residual.double() - centre).square().mean().sqrt()
        values = moved[found.promoted[number].tolist()].numpy()
        np.testing.assert_allclose(found.promoted_values[number], values, rtol=1e-5, atol=1e-5 * scale)


@pytest.mark.parametrize("make", [llama, gemma, opt, neox, mixtral])
def test_final_norm_and_unembedding_give_the_logits_of_the_model(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    folder = make(tmp_path)
    subject = load_subject(folder)
    tokens = torch.tensor([[5, 6, 7, 8]])
    auto = AutoModelForImageTextToText if make is gemma else AutoModelForCausalLM
    with torch.no_grad():
        model = auto.from_pretrained(folder)
        logits = model(tokens).logits[0].double()
    eps = getattr(model.config.get_text_config(), "rms_norm_eps", 1e-5)
    residual = subject.activations(tokens, "resid_post_mlp", 1)[0].double()
    unembedding = subject.unembedding()
    assert unembedding.centres == (make in (opt, neox))
    if unembedding.centres:
        residual = residual - residual.mean(dim=1, keepdim=True)
    normed = unembedding.gain.double() * residual / (residual.square().mean(dim=1, keepdim=True) + eps).sqrt()
    computed = normed @ unembedding.weight.double().T
    # differences between positions, in which the norm's bias has no part
    assert torch.allclose(computed[1:] - computed[:-1], logits[1:] - logits[:-1], atol=1e-4)


def test_a_direction_inside_the_mlp_goes_through_its_output_first(tmp_path: Path) -> None:
    for subject in (load_subject(demo.SUBJECT), load_subject(llama(tmp_path))):
        tokens = torch.tensor([[1, 2, 3]])
        hidden = subject.activations(tokens, "mlp_post_act", 1)[0]
        written = subject.activations(tokens, "resid_delta_mlp", 1)[0]
        found = subject.to_residual(hidden[1:] - hidden[:-1], "mlp_post_act", 1)
        assert torch.allclose(found, written[1:] - written[:-1], atol=1e-5)
        assert subject.to_residual(written, "resid_delta_mlp", 1) is written


def test_what_has_no_effect_says_so(tmp_path: Path, gpt2: LanguageModel) -> None:
    bridge = load_subject(gemma(tmp_path))
    with pytest.raises(NoUnembeddingError, match="isn't added to the residual stream by one matrix"):
        bridge.to_residual(torch.zeros(1, 48), "mlp_post_act", 1)
    with pytest.raises(NoUnembeddingError, match="neither a LayerNorm nor an RMSNorm"):
        gain_of(functional.relu, torch.ones(16))
    with pytest.raises(SaescopeError, match="width 5 have no effect by an unembedding of width 128"):
        logit_effects(torch.zeros(1, 5), gpt2.unembedding())
    with pytest.raises(SaescopeError, match="aren't finite"):
        logit_effects(torch.full((1, 128), 3e38), gpt2.unembedding())


@pytest.mark.parametrize("width", [7, 64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_norm_is_known_by_what_it_does(width: int, dtype: torch.dtype) -> None:
    gain = (1 + 0.3 * random_directions(1, width)[0]).to(dtype)
    bias = random_directions(1, width, seed=1)[0].to(dtype)
    found, centres = gain_of(lambda x: functional.layer_norm(x, [width], gain, bias), gain)
    assert centres
    assert torch.allclose(found, gain.double(), atol=1e-2 if dtype == torch.bfloat16 else 1e-4)
    found, centres = gain_of(lambda x: functional.rms_norm(x, [width], gain), gain)
    assert not centres
    assert torch.allclose(found, gain.double(), atol=1e-2 if dtype == torch.bfloat16 else 1e-4)
