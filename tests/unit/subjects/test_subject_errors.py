"""What the subject model refuses, and what it says then."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.subjects.subject import load_subject
from tests.support.hf_cache import random_weights, write_random_gpt2, write_weights

CONFIG: dict[str, Any] = {
    "model_type": "gpt2",
    "vocab_size": 50,
    "n_positions": 12,
    "n_embd": 16,
    "n_layer": 3,
    "n_head": 2,
    "bos_token_id": 49,
    "eos_token_id": 49,
}
TOKENS = torch.tensor([[1, 2, 3]])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_random_gpt2(tmp_path, CONFIG)
    return tmp_path


def change_config(folder: Path, **entries: Any) -> None:
    (folder / "config.json").write_text(json.dumps(CONFIG | entries))


@pytest.mark.parametrize("implementation", ["gpt2", "transformer_lens"])
def test_an_unknown_location_is_answered_with_the_five_known(folder: Path, implementation: str) -> None:
    subject = load_subject(folder, implementation=implementation)
    known = "mlp_post_act, resid_delta_attn, resid_post_attn, resid_delta_mlp, resid_post_mlp"
    message = rf"no location 'resid_pre' in a model \(did you mean resid_post_mlp\?\); the locations are {known}"
    with pytest.raises(SaescopeError, match=message):
        subject.activations(TOKENS, "resid_pre", 0)
    with pytest.raises(SaescopeError, match=message):
        subject.width("resid_pre", 0)


@pytest.mark.parametrize("layer_index", [-1, 3])
@pytest.mark.parametrize("implementation", ["gpt2", "transformer_lens"])
def test_a_layer_out_of_range_is_answered_with_how_many_there_are(
    folder: Path, implementation: str, layer_index: int
) -> None:
    subject = load_subject(folder, implementation=implementation)
    with pytest.raises(SaescopeError, match=f"no layer {layer_index}: it has 3 layers, 0 to 2"):
        subject.activations(TOKENS, "resid_post_mlp", layer_index)


@pytest.mark.parametrize("implementation", ["gpt2", "transformer_lens"])
def test_a_last_layer_out_of_range_is_refused_when_loading(folder: Path, implementation: str) -> None:
    with pytest.raises(SaescopeError, match="no layer 7: it has 3 layers, 0 to 2"):
        load_subject(folder, implementation=implementation, last_layer=7)


def test_a_layer_that_was_left_on_disk_is_named(folder: Path) -> None:
    with pytest.raises(SaescopeError, match=r"layer 2 of .* isn't in memory: it was loaded up to layer 1"):
        load_subject(folder, last_layer=1).activations(TOKENS, "resid_post_mlp", 2)


@pytest.mark.parametrize("implementation", ["gpt2", "transformer_lens"])
def test_windows_longer_than_the_model_sees_are_refused(folder: Path, implementation: str) -> None:
    subject = load_subject(folder, implementation=implementation)
    with pytest.raises(SaescopeError, match=r"windows of 13 tokens are too long .* sees at most 12"):
        subject.activations(torch.zeros(2, 13, dtype=torch.long), "resid_post_mlp", 0)


def test_tokens_that_are_no_batch_are_refused(folder: Path) -> None:
    with pytest.raises(SaescopeError, match=re.escape("tokens must be of shape [batch, pos], not [3]")):
        load_subject(folder).activations(TOKENS[0], "resid_post_mlp", 0)


def test_a_folder_without_config_is_named(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(SaescopeError, match=f"{folder} has no config.json"):
        load_subject(folder)


def test_a_folder_without_weights_is_named(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(SaescopeError, match=f"{folder} has no weights"):
        load_subject(folder)


@pytest.mark.parametrize("size", [0, 5, 1000, -1])
def test_a_truncated_weights_file_is_named(folder: Path, size: int) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:size])
    with pytest.raises(SaescopeError, match=f"{weights} is no whole safetensors file"):
        load_subject(folder)


def test_a_missing_tensor_is_named(folder: Path) -> None:
    weights = random_weights(CONFIG, seed=0)
    del weights["h.1.mlp.c_fc.bias"]
    write_weights(folder / "model.safetensors", weights)
    with pytest.raises(SaescopeError, match=r"lacks the tensor h\.1\.mlp\.c_fc\.bias"):
        load_subject(folder)


def test_weights_of_another_size_than_the_config_says_are_refused(folder: Path) -> None:
    change_config(folder, n_inner=20)
    with pytest.raises(SaescopeError, match=re.escape("has shape [16, 64], but the model's config asks for [16, 20]")):
        load_subject(folder)


@pytest.mark.parametrize(
    ("entries", "complaint"),
    [
        (
            {"activation_function": "xielu"},
            "activation function 'xielu', which isn't supported for GPT-2; known are gelu",
        ),
        ({"n_head": 3}, "describes no GPT-2: 3 layers, and a width of 16 for 3 heads"),
        ({"n_head": 0}, "describes no GPT-2"),
        ({"n_layer": "three"}, "holds something that is no number"),
    ],
    ids=str,
)
def test_a_config_that_cant_be_run_is_refused(folder: Path, entries: dict[str, Any], complaint: str) -> None:
    change_config(folder, **entries)
    with pytest.raises(SaescopeError, match=complaint):
        load_subject(folder)


def test_a_config_that_lacks_an_entry_is_refused(folder: Path) -> None:
    config = {key: value for key, value in CONFIG.items() if key != "n_layer"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(SaescopeError, match="lacks n_layer, which a GPT-2 model needs"):
        load_subject(folder)


def test_an_architecture_that_transformer_lens_doesnt_know_is_refused(folder: Path) -> None:
    change_config(folder, model_type="abacus")
    with pytest.raises(SaescopeError, match=r"TransformerLens can't load the model in .*, of type abacus"):
        load_subject(folder)


def test_another_family_cant_be_forced_onto_our_own_code(folder: Path) -> None:
    change_config(folder, model_type="gpt_neox")
    with pytest.raises(
        SaescopeError, match=r"this is of type gpt_neox in \.safetensors files; choose transformer_lens"
    ):
        load_subject(folder, implementation="gpt2")


def test_an_unknown_implementation_is_answered_with_the_known(folder: Path) -> None:
    with pytest.raises(SaescopeError, match="no implementation 'jax'; there are auto, gpt2, transformer_lens"):
        load_subject(folder, implementation="jax")


@pytest.mark.parametrize("device", ["cuda:77", "abacus"])
def test_a_device_that_isnt_there_is_named(folder: Path, device: str) -> None:
    with pytest.raises(SaescopeError, match=f"the device '{device}' can't be used"):
        load_subject(folder, device=device)
