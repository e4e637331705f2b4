"""Autoencoders of other projects are called what they are, and none of them damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sparse_autoencoder.autoencoders.checkpoints import address_of, fetch
from sparse_autoencoder.autoencoders.openai_checkpoint import load_autoencoder, names_activation
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.model import Autoencoder, TopK

D_IN, D_SAE = 6, 24
READS = r"which can't be read yet: saescope reads OpenAI's format"


def tensors(*names: str) -> dict[str, torch.Tensor]:
    return {name: torch.ones(D_SAE, D_IN) for name in names}


def saelens(folder: Path) -> Path:
    (folder / "cfg.json").write_text("{}")
    save_file(tensors("W_enc", "W_dec", "b_enc", "b_dec"), folder / "sae_weights.safetensors")
    return folder


def sparsify(folder: Path) -> Path:
    (folder / "cfg.json").write_text("{}")
    save_file(tensors("encoder.weight", "encoder.bias", "W_dec", "b_dec"), folder / "sae.safetensors")
    return folder


def gemma_scope(folder: Path) -> Path:
    one = np.ones(3)
    np.savez(folder / "params.npz", W_enc=one, W_dec=one, b_enc=one, b_dec=one, threshold=one)
    return folder / "params.npz"


def gemma_scope_2(folder: Path) -> Path:
    save_file(tensors("w_enc", "w_dec", "b_enc", "b_dec", "threshold"), folder / "params.safetensors")
    return folder / "params.safetensors"


def qwen_scope(folder: Path) -> Path:
    torch.save(tensors("W_enc", "W_dec", "b_enc", "b_dec"), folder / "layer3.sae.pt")
    return folder / "layer3.sae.pt"


def dictionary_learning(folder: Path) -> Path:
    torch.save(tensors("encoder.weight", "encoder.bias", "decoder.weight", "bias"), folder / "ae.pt")
    (folder / "config.json").write_text("{}")
    return folder / "ae.pt"


def goodfire(folder: Path) -> Path:
    torch.save(tensors("encoder_linear.weight", "encoder_linear.bias", "decoder_linear.weight"), folder / "a.pth")
    return folder / "a.pth"


def arrays(folder: Path) -> Path:
    np.savez(folder / "a.npz", x=np.ones(3))
    return folder / "a.npz"


@pytest.mark.parametrize(
    ("make", "called"),
    [
        (saelens, "an autoencoder of SAELens"),
        (
            lambda folder: saelens(folder) / "sae_weights.safetensors",
            "in the form of SAELens or Qwen Scope, in safetensors",
        ),
        (sparsify, "EleutherAI's sparsify"),
        (lambda folder: sparsify(folder) / "sae.safetensors", "EleutherAI's sparsify, in safetensors"),
        (gemma_scope, "a JumpReLU autoencoder, as those of Gemma Scope and SAELens, in NumPy's format"),
        (lambda folder: gemma_scope(folder).parent, "an autoencoder of Gemma Scope"),
        (gemma_scope_2, "an autoencoder of Gemma Scope 2, in safetensors"),
        (qwen_scope, "in the form of SAELens or Qwen Scope"),
        (dictionary_learning, "an autoencoder of dictionary_learning"),
        (lambda folder: dictionary_learning(folder).parent, "an autoencoder of dictionary_learning"),
        (goodfire, "an autoencoder of Goodfire"),
        (arrays, "a NumPy archive with the arrays x"),
    ],
)
def test_it_is_called_what_it_is(tmp_path: Path, make: Callable[[Path], Path], called: str) -> None:
    path = make(tmp_path)
    with pytest.raises(
        SaescopeError, match=f"is (a|an) .*{called[:40].removeprefix('an ').removeprefix('a ')}.*{READS}"
    ) as raised:
        load_autoencoder(fetch(str(path)).path)
    assert "truncated" not in str(raised.value)
    assert "damaged" not in str(raised.value)


@pytest.mark.parametrize("address", ["hf://owner/name/sae", "hf:owner/name"])
def test_an_address_on_the_hub_is_called_one(address: str) -> None:
    with pytest.raises(SaescopeError, match=f"is an address on the Hugging Face hub, {READS}"):
        address_of(address, "resid_post_mlp", 6)


# Which activation an autoencoder has.


def state(activation: torch.nn.Module | None = None, tied: bool = False) -> dict[str, Any]:
    return Autoencoder(D_SAE, D_IN, activation, tied, isinstance(activation, TopK)).state_dict()


def saved(path: Path, content: dict[str, Any], *left_out: str) -> Path:
    torch.save({name: value for name, value in content.items() if not name.startswith(left_out or "-")}, path)
    return path


def test_a_file_that_names_no_activation_is_relu_and_says_so(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt", state(), "activation")
    assert not names_activation(path)
    assert names_activation(saved(tmp_path / "b.pt", state()))
    assert isinstance(load_autoencoder(path).activation, torch.nn.ReLU)


@pytest.mark.parametrize(
    ("given", "name", "k"),
    [("topk:5", "TopK", 5), ("TopK:24", "TopK", 24), ("identity", "Identity", None), ("ReLU", "ReLU", None)],
)
def test_its_activation_can_be_said(tmp_path: Path, given: str, name: str, k: int | None) -> None:
    loaded = load_autoencoder(saved(tmp_path / "a.pt", state(), "activation"), None, given)
    assert type(loaded.activation).__name__ == name
    assert getattr(loaded.activation, "k", None) == k
    assert loaded.normalize is (name == "TopK")


def test_an_activation_that_is_not_the_file_s_is_an_error(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt", state(TopK(4)))
    for given in ("relu", "topk:5"):
        with pytest.raises(SaescopeError, match=f"--activation {given} isn't that of .*, which is TopK with k 4"):
            load_autoencoder(path, None, given)
    assert load_autoencoder(path, None, "topk:4").normalize


@pytest.mark.parametrize("given", ["topk", "topk:0", "topk:x", "topk:-1", "gelu", "", "relu:3"])
def test_what_is_no_activation_is_an_error(tmp_path: Path, given: str) -> None:
    with pytest.raises(SaescopeError, match="it is relu, identity, or topk with its k"):
        load_autoencoder(saved(tmp_path / "a.pt", state(), "activation"), None, given)


@pytest.mark.parametrize("activation", [None, TopK(4)], ids=["ReLU", "TopK"])
def test_a_tied_autoencoder_is_loaded(tmp_path: Path, activation: torch.nn.Module | None) -> None:
    content = state(activation, tied=True)
    loaded = load_autoencoder(saved(tmp_path / "a.pt", content))
    assert torch.equal(loaded.decoder.weight, content["encoder.weight"].t())


def test_a_tied_autoencoder_whose_decoder_is_another_is_an_error(tmp_path: Path) -> None:
    content = state(tied=True) | {"decoder.linear.weight": torch.zeros(D_SAE, D_IN)}
    with pytest.raises(SaescopeError, match=r"'decoder.linear.weight' isn't its 'encoder.weight'"):
        load_autoencoder(saved(tmp_path / "a.pt", content))


def test_json_is_no_safetensors_file(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_text(json.dumps({"a": 1}))
    with pytest.raises(SaescopeError, match="isn't a PyTorch checkpoint"):
        load_autoencoder(tmp_path / "a.safetensors")
