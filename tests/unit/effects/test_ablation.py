"""Ablation effects: the identities that hold for any model, and their numbers by plain formulas."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sparse_autoencoder.autoencoders.latent_encoder import LatentEncoder
from sparse_autoencoder.effects.ablation import Ablated, compare, feature_effects
from sparse_autoencoder.questions.answer_types import ExampleEffects
from sparse_autoencoder.subjects.hugging_face_hub import model_files
from sparse_autoencoder.subjects.load_whole_model import load_whole
from sparse_autoencoder.subjects.subject import load_subject
from sparse_autoencoder.subjects.whole_model import CleanRun, WholeModel
from sparse_autoencoder.utils.file_hashes import FileHashes
from tests.support.changed_by_hand import HookedByHand, from_on, only_at, random_autoencoder, setting, state_of
from tests.support.devices import on_each_device
from tests.support.oracle import dense_latents
from tests.support.runs import LAYER, WIDTH, World
from tests.unit.effects.conftest import Load
from tests.unit.subjects.test_families import gemma

WINDOWS = [(0, 5, 9, 200, 31, 31, 8, 77), (0, 5, 9), (0, 12, 250, 3, 4, 99, 100, 101, 102, 103, 104, 7)]
PLACES = [(0, 3), (2, 1), (0, 6), (1, 1), (2, 11)]
EXAMPLES = [Ablated(10 + window, 20 * number, WINDOWS[window], idx) for number, (window, idx) in enumerate(PLACES)]
LOCATION = "resid_post_mlp"


def strings(token_ids: Sequence[int]) -> list[str]:
    return [f"<{token}>" for token in token_ids]


def effects_of(whole: WholeModel, feature: int, examples: Sequence[Ablated] = EXAMPLES) -> list[ExampleEffects]:
    latents = LatentEncoder(random_autoencoder("topk", WIDTH))
    return list(feature_effects(whole, latents, feature, examples, strings))


def active_feature(by_hand: HookedByHand) -> int:
    """A feature that fires at one of the boxed tokens, and not at all of them."""
    state = state_of(random_autoencoder("topk", WIDTH))
    latents = np.concatenate(
        [dense_latents(state, by_hand.vectors(WINDOWS[window], LOCATION, LAYER))[[idx]] for window, idx in PLACES]
    )
    fires = (latents > 0).sum(axis=0)
    (some,) = np.nonzero((fires > 0) & (fires < len(PLACES)))
    return int(some[0])


@pytest.mark.parametrize("implementation", ["gpt2", "transformer_lens"])
def test_effects_are_what_plain_formulas_make_of_predictions_with_and_without(
    implementation: str, whole_of: Load, by_hand: HookedByHand
) -> None:
    feature = active_feature(by_hand)
    state = state_of(random_autoencoder("topk", WIDTH))
    found = effects_of(whole_of(LOCATION, LAYER, implementation), feature)
    assert [(one["row_id"], one["offset"], one["idx"]) for one in found] == [
        (example.row_id, example.offset, example.idx) for example in EXAMPLES
    ]
    for effects, (window, idx) in zip(found, PLACES, strict=True):
        tokens = WINDOWS[window]
        clean = by_hand.logits(tokens, LOCATION, LAYER, from_on(99, setting(state, feature, 0.0))).double()[idx:-1]
        without = by_hand.logits(tokens, LOCATION, LAYER, only_at(idx, setting(state, feature, 0.0))).double()[idx:-1]
        p, q = clean.softmax(dim=1), without.softmax(dim=1)
        following = torch.tensor(tokens[idx + 1 :], dtype=torch.int64)[:, None]
        loss_change = (p.log() - q.log()).gather(1, following)[:, 0]
        assert effects["act"] == pytest.approx(
            dense_latents(state, by_hand.vectors(tokens, LOCATION, LAYER))[idx, feature], abs=1e-4
        )
        assert effects["loss_change"] == pytest.approx([*[0.0] * idx, *loss_change.tolist()], abs=1e-4)
        kl = (p * (p.log() - q.log())).sum(dim=1)
        assert effects["kl"] == pytest.approx([*[0.0] * idx, *kl.tolist()], abs=1e-4)
        assert len(effects["pushed"]) == len(tokens) - 1 - idx
        for pushed, logits, probs in zip(effects["pushed"], clean - without, p - q, strict=True):
            for one, by, sign in (
                (pushed["up_logits"], logits, 1),
                (pushed["down_logits"], logits, -1),
                (pushed["up_probs"], probs, 1),
                (pushed["down_probs"], probs, -1),
            ):
                assert one["by"] == pytest.approx(by[one["token_ids"]].tolist(), abs=1e-4)
                assert one["by"] == pytest.approx((sign * by).topk(10).values.mul(sign).tolist(), abs=1e-4)
                assert one["tokens"] == strings(one["token_ids"])


def test_nothing_before_the_boxed_token_changes_and_only_there_is_a_direct_effect(
    whole_of: Load, by_hand: HookedByHand
) -> None:
    for effects in effects_of(whole_of(LOCATION, LAYER), active_feature(by_hand)):
        idx = effects["idx"]
        assert not any(effects["loss_change"][:idx] + effects["kl"][:idx])
        direct = effects["direct_loss_change"]
        assert len(direct) == len(effects["loss_change"])
        assert [place for place, change in enumerate(direct) if change] in ([], [idx])
        assert min(effects["kl"]) >= 0


@pytest.mark.parametrize("implementation", ["gpt2", "transformer_lens"])
def test_a_feature_that_does_not_fire_there_has_no_effects(
    implementation: str, whole_of: Load, by_hand: HookedByHand
) -> None:
    found = effects_of(whole_of(LOCATION, LAYER, implementation), active_feature(by_hand))
    silent = [effects for effects in found if effects["act"] == 0]
    assert 0 < len(silent) < len(found)
    for effects in silent:
        numbers = effects["loss_change"] + effects["kl"] + effects["direct_loss_change"]
        lists = [
            (one["up_logits"], one["down_logits"], one["up_probs"], one["down_probs"]) for one in effects["pushed"]
        ]
        by = [value for kinds in lists for pushed in kinds for value in pushed["by"]]
        assert max(map(abs, [*numbers, *by]), default=0) < 1e-5


def test_at_the_last_layer_effects_are_the_direct_ones(whole_of: Load) -> None:
    whole = whole_of(LOCATION, 2)
    found = [effects for feature in range(40) for effects in effects_of(whole, feature)]
    assert max(abs(change) for effects in found for change in effects["loss_change"]) > 0.01
    for effects in found:
        assert effects["loss_change"] == pytest.approx(effects["direct_loss_change"], abs=1e-5)


@pytest.mark.parametrize("implementation", ["gpt2", "transformer_lens"])
@pytest.mark.parametrize("window", [(0, 5, 9), (5,)])
def test_after_a_window_s_last_token_there_is_no_prediction(
    window: tuple[int, ...], implementation: str, whole_of: Load
) -> None:
    example = Ablated(0, 0, window, len(window) - 1)
    (effects,) = effects_of(whole_of(LOCATION, LAYER, implementation), 7, [example])
    nothing = [0.0] * (len(window) - 1)
    assert (effects["loss_change"], effects["kl"], effects["direct_loss_change"]) == (nothing, nothing, nothing)
    assert effects["pushed"] == []


def test_equal_windows_with_equal_boxed_tokens_are_computed_once(whole_of: Load) -> None:
    class Counting:
        """The whole model, and how many windows and tails it computed."""

        def __init__(self, whole: WholeModel) -> None:
            self._whole = whole
            self.vocab_size = whole.vocab_size
            self.windows: list[int] = []

        def run(self, windows: Sequence[Sequence[int]]) -> CleanRun:
            self.windows.append(len(windows))
            return self._whole.run(windows)

    counting = Counting(whole_of(LOCATION, LAYER))
    again = [Ablated(99, 0, example.token_ids, example.idx) for example in EXAMPLES]
    found = effects_of(counting, 7, [*EXAMPLES, *again])  # type: ignore[arg-type]
    assert counting.windows == [1, 3]  # the first alone, so that it is there soon
    for effects, copy in zip(found[: len(EXAMPLES)], found[len(EXAMPLES) :], strict=True):
        assert copy == {**effects, "row_id": 99, "offset": 0}


@on_each_device
def test_in_bfloat16_effects_are_those_of_float32_to_its_rounding(
    device: str, tiny: World, whole_of: Load, by_hand: HookedByHand
) -> None:
    feature = active_feature(by_hand)
    subject = load_subject(tiny.subject, device=device, dtype=torch.bfloat16, last_layer=LAYER)
    whole = load_whole(subject, tiny.subject, FileHashes(model_files(tiny.subject)).result(), (LOCATION, LAYER))
    latents = LatentEncoder(random_autoencoder("topk", WIDTH).to(device, torch.bfloat16))
    found = feature_effects(whole, latents, feature, EXAMPLES, strings)
    for effects, exact in zip(found, effects_of(whole_of(LOCATION, LAYER), feature), strict=True):
        assert effects["loss_change"] == pytest.approx(exact["loss_change"], abs=0.1)
        assert effects["act"] == pytest.approx(exact["act"], abs=0.1)


def test_where_the_direct_effect_is_not_known_there_is_none(tmp_path: Path) -> None:
    folder = gemma(tmp_path)  # what leaves its MLP is normalised
    whole = load_whole(load_subject(folder), folder, {}, ("mlp_post_act", 0))
    latents = LatentEncoder(random_autoencoder("relu", 48))
    (effects,) = feature_effects(whole, latents, 7, [Ablated(0, 0, (1, 2, 3, 4), 1)], strings)
    assert (len(effects["loss_change"]), effects["direct_loss_change"]) == (3, [])


def both_logits() -> st.SearchStrategy[tuple[Tensor, Tensor]]:
    def made(seed: int, size: float, change: float) -> tuple[Tensor, Tensor]:
        logits, difference = torch.randn(2, 3, 50, generator=torch.Generator().manual_seed(seed))
        return logits * size, logits * size + difference * change

    sizes = st.floats(0, 30)
    return st.builds(made, st.integers(0, 10**6), sizes, st.sampled_from([0.0, 1e-6, 1e-3, 1.0, 30.0]))


@given(both_logits())
def test_kl_is_never_negative_and_exact_when_it_is_small(both: tuple[Tensor, Tensor]) -> None:
    with_it, without = both
    found = compare(with_it, without, torch.tensor([0, 1, 2]))
    log_p, log_q = (one.double().log_softmax(dim=1) for one in both)
    kl = (log_p.exp() * (log_p - log_q)).sum(dim=1)
    assert found.kl.min() >= 0
    torch.testing.assert_close(found.kl.double(), kl, rtol=1e-3, atol=1e-9)
