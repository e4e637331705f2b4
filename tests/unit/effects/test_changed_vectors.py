"""Predictions with changed vectors, on our own GPT-2 and on TransformerLens, against hooks set by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sparse_autoencoder.autoencoders.latent_encoder import LatentEncoder
from sparse_autoencoder.effects.feature_directions import FeatureDirection
from sparse_autoencoder.effects.steering import Steering, steering_change
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.subjects.hook_points import LOCATIONS
from sparse_autoencoder.subjects.whole_model import Tail, WholeModel
from tests.support.changed_by_hand import HookedByHand, from_on, only_at, raising, random_autoencoder, setting, state_of
from tests.support.runs import LAYER, WIDTH
from tests.unit.effects.conftest import WIDTHS, Load

IMPLEMENTATIONS = ("gpt2", "transformer_lens")
WINDOWS = [[0, 5, 9, 200, 31, 31, 8, 77], [0, 5, 9], [0, 12, 250, 3, 4, 99, 100, 101, 102, 103, 104, 7]]
BOXED = [(0, 3), (2, 1), (0, 6), (1, 2), (2, 11)]  # (window, token)
CLOSE = 1e-4
everywhere = pytest.mark.parametrize("location", LOCATIONS)
both_kinds = pytest.mark.parametrize("kind", ["topk", "relu"])
both_ways = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


def strongest(latents: LatentEncoder, vectors: Tensor) -> int:
    """The feature that fires most often."""
    found = latents.sparse(vectors)
    return int(found.latent[found.value > 0].bincount().argmax())


@both_ways
@both_kinds
@everywhere
def test_an_activation_set_to_0_changes_predictions_as_hooks_do(
    location: str, kind: str, implementation: str, whole_of: Load, by_hand: HookedByHand
) -> None:
    whole, autoencoder = (
        whole_of(location, LAYER, implementation),
        random_autoencoder(kind, WIDTHS.get(location, WIDTH)),
    )
    run, latents = whole.run(WINDOWS), LatentEncoder(autoencoder)
    direction = FeatureDirection(latents, strongest(latents, run.vectors))
    boxed = run.vectors[[run.starts[window] + token for window, token in BOXED]]
    differences = direction.setting(boxed, 0.0)
    changed = run.changed([Tail(*at, one[None]) for at, one in zip(BOXED, differences, strict=True)])
    begin, largest = 0, 0.0
    for window, token in BOXED:
        tokens = WINDOWS[window]
        change = only_at(token, setting(state_of(autoencoder), direction.feature, 0.0))
        expected = by_hand.logits(tokens, location, LAYER, change)[token:]
        found = changed.logits(torch.arange(begin, begin + len(tokens) - token))
        torch.testing.assert_close(found, expected, atol=CLOSE, rtol=CLOSE)
        begin += len(tokens) - token
        clean = run.predictions.logits(torch.arange(run.starts[window] + token, run.starts[window + 1]))
        largest = max(largest, float((clean - expected).abs().max()))
    assert largest > 0.01  # what was compared is no model without a change


@both_ways
@both_kinds
@everywhere
@pytest.mark.parametrize("mode", ["set", "add"])
def test_continuing_a_steered_text_with_kept_keys_is_computing_it_anew_with_hooks(
    mode: str, location: str, kind: str, implementation: str, whole_of: Load, by_hand: HookedByHand
) -> None:
    whole, autoencoder = (
        whole_of(location, LAYER, implementation),
        random_autoencoder(kind, WIDTHS.get(location, WIDTH)),
    )
    latents, feature, strength = LatentEncoder(autoencoder), 7, 2.5
    change = steering_change(latents, Steering(feature, "set" if mode == "set" else "add", strength), 1)
    generation = whole.generation(2, 9, change)
    hand = (setting if mode == "set" else raising)(state_of(autoencoder), feature, strength)
    steered = plain = WINDOWS[0][:5]
    added = [steered, plain]
    for _ in range(4):
        found = generation.logits(added)
        expected = by_hand.logits(steered, location, LAYER, from_on(1, hand))[-1]
        torch.testing.assert_close(found[0], expected, atol=CLOSE, rtol=CLOSE)
        unsteered = by_hand.logits(plain, location, LAYER, from_on(99, hand))[-1]
        torch.testing.assert_close(found[1], unsteered, atol=CLOSE, rtol=CLOSE)
        assert (expected - unsteered).abs().max() > 0.01
        added = [[int(expected.argmax())], [int(unsteered.argmax())]]
        steered, plain = [*steered, *added[0]], [*plain, *added[1]]


@both_ways
@both_kinds
def test_the_direct_effect_at_the_last_layer_is_the_whole_effect(
    kind: str, implementation: str, whole_of: Load
) -> None:
    for location in ("resid_post_mlp", "resid_delta_mlp", "mlp_post_act"):
        whole = whole_of(location, 2, implementation)
        run = whole.run(WINDOWS)
        direction = FeatureDirection(LatentEncoder(random_autoencoder(kind, WIDTHS.get(location, WIDTH))), 7)
        boxed = run.vectors[[run.starts[window] + token for window, token in BOXED]]
        tails = [Tail(*at, one[None]) for at, one in zip(BOXED, direction.setting(boxed, 3.0), strict=True)]
        lengths = [len(WINDOWS[window]) - token for window, token in BOXED]
        first = torch.tensor(lengths).cumsum(0) - torch.tensor(lengths)
        torch.testing.assert_close(run.direct_logits(tails), run.changed(tails).logits(first), atol=1e-5, rtol=1e-5)


@both_ways
@everywhere
def test_without_a_difference_predictions_stay(location: str, implementation: str, whole_of: Load) -> None:
    run = whole_of(location, LAYER, implementation).run(WINDOWS)
    tails = [Tail(window, 0, torch.zeros(1, run.vectors.shape[1])) for window in range(len(WINDOWS))]
    every = torch.arange(run.starts[-1])
    torch.testing.assert_close(run.changed(tails).logits(every), run.predictions.logits(every), atol=1e-5, rtol=1e-5)


@both_kinds
def test_after_setting_a_feature_a_vector_is_its_decoded_latents_and_the_kept_error(kind: str) -> None:
    autoencoder = random_autoencoder(kind, WIDTH).double()
    vectors = torch.randn(20, WIDTH, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 7
    latents, info = autoencoder.encode(vectors)
    error = vectors - autoencoder.decode(latents, info)
    latents[:, 7] = 4.5
    expected = autoencoder.decode(latents, info) + error
    found = vectors + FeatureDirection(LatentEncoder(autoencoder), 7).setting(vectors, 4.5)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)  # activations are float32


@both_kinds
def test_setting_a_feature_to_what_it_is_adds_nothing(kind: str) -> None:
    latents = LatentEncoder(random_autoencoder(kind, WIDTH))
    vectors = torch.randn(20, WIDTH, generator=torch.Generator().manual_seed(1))
    direction = FeatureDirection(latents, 7)
    assert (direction.activations(vectors) > 0).any()
    for target in (None, direction.activations(vectors)):
        assert not direction.setting(vectors, target).any()


def test_a_feature_that_there_is_not_is_refused() -> None:
    latents = LatentEncoder(random_autoencoder("relu", WIDTH))
    for feature in (-1, 40):
        with pytest.raises(SaescopeError, match=f"no feature {feature}: the autoencoder's are 0 to 39"):
            FeatureDirection(latents, feature)


@pytest.mark.parametrize(
    ("windows", "complaint"),
    [([[1, 2], []], "without tokens"), ([[0, 400]], "has no token 400"), ([[0] * 33], "sees at most 32")],
)
@both_ways
def test_windows_that_the_model_can_not_take_are_refused(
    implementation: str, windows: list[list[int]], complaint: str, whole_of: Load
) -> None:
    whole: WholeModel = whole_of("resid_post_mlp", LAYER, implementation)
    with pytest.raises(SaescopeError, match=complaint):
        whole.run(windows)
