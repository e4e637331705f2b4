"""Checkpoints on this machine: names, the cache's place, and what a file must hold to be loaded."""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from sparse_autoencoder import paths
from sparse_autoencoder.autoencoders.checkpoints import address_of, at_hand, beside, cache_folder, fetch
from sparse_autoencoder.autoencoders.openai_checkpoint import load_autoencoder
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.model import Autoencoder, TopK

N_LATENTS, N_INPUTS, K = 24, 6, 4


def state_dict(activation: torch.nn.Module | None = None) -> dict[str, Any]:
    torch.manual_seed(0)
    return Autoencoder(N_LATENTS, N_INPUTS, activation, normalize=isinstance(activation, TopK)).state_dict()


def save(path: Path, state: object, **options: Any) -> Path:
    torch.save(state, path, **options)
    return path


def load(path: Path, n_inputs: int | None = None) -> Autoencoder:
    return load_autoencoder(fetch(str(path)).path, n_inputs)


@pytest.mark.parametrize("activation", [None, TopK(K)], ids=["ReLU", "TopK"])
@pytest.mark.parametrize("zip_format", [True, False], ids=["zip", "legacy"])
def test_a_saved_state_dict_is_loaded_unchanged(
    tmp_path: Path, activation: torch.nn.Module | None, zip_format: bool
) -> None:
    saved = state_dict(activation)
    path = save(tmp_path / "6.pt", saved, _use_new_zipfile_serialization=zip_format)
    loaded = load(path, N_INPUTS).state_dict()
    assert loaded.keys() == saved.keys()
    assert all(
        torch.equal(loaded[name], value) if isinstance(value, torch.Tensor) else loaded[name] == value
        for name, value in saved.items()
    )


def test_half_precision_weights_become_float32(tmp_path: Path) -> None:
    saved = {k: v.half() if torch.is_tensor(v) and v.is_floating_point() else v for k, v in state_dict().items()}
    loaded = load(save(tmp_path / "6.pt", saved))
    assert loaded.encoder.weight.dtype == torch.float32
    assert torch.equal(loaded.encoder.weight, saved["encoder.weight"].float())


def test_statistics_may_be_missing(tmp_path: Path) -> None:
    saved = {name: value for name, value in state_dict().items() if not name.startswith(("stats_", "latents_"))}
    loaded = load(save(tmp_path / "6.pt", saved))
    assert torch.equal(loaded.stats_last_nonzero, torch.zeros(N_LATENTS, dtype=torch.int64))


def test_a_local_checkpoint_is_used_where_it_is(tmp_path: Path) -> None:
    path = save(tmp_path / "6.pt", state_dict())
    checkpoint = fetch(str(path))
    assert checkpoint.path == path
    assert checkpoint.size == path.stat().st_size
    assert checkpoint.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


class Dangerous:
    """Unpickling it naively creates a file."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._trace),)


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_a_pickle_that_would_run_code_is_refused_and_runs_nothing(tmp_path: Path, form: str) -> None:
    path, trace = tmp_path / "6.pt", tmp_path / "trace"
    content = state_dict() | {"extra": Dangerous(trace)}
    save(path, content, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(SaescopeError, match=r"6\.pt is refused: loading it would run code \(posix\.mkdir\)"):
        load(path)
    assert not trace.exists()
    torch.load(path, weights_only=False)  # the file is as dangerous as it looks
    assert trace.exists()


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_bare_pickle_is_refused_and_runs_nothing(tmp_path: Path, protocol: int) -> None:
    path, trace = tmp_path / "6.pt", tmp_path / "trace"
    path.write_bytes(pickle.dumps(Dangerous(trace), protocol))
    with pytest.raises(SaescopeError, match=r"6\.pt is.* refused"):
        load(path)
    assert not trace.exists()
    pickle.loads(path.read_bytes())  # the file is as dangerous as it looks
    assert trace.exists()


@pytest.mark.parametrize("zip_format", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("kept", [0.01, 0.05, 0.06, 0.1, 0.5, 0.99])
def test_a_truncated_checkpoint_is_an_error(tmp_path: Path, zip_format: bool, kept: float) -> None:
    path = save(tmp_path / "6.pt", state_dict(), _use_new_zipfile_serialization=zip_format)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(SaescopeError, match=r"6\.pt is truncated or damaged"):
        load(path)


@pytest.mark.parametrize("content", [b"", b"title,text\n1,2\n", b"\x80\x04", os.urandom(1000), b"<html></html>"])
def test_a_file_that_is_no_checkpoint_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "6.pt"
    path.write_bytes(content)
    with pytest.raises(SaescopeError, match=r"6\.pt isn't a PyTorch checkpoint"):
        load(path)


def test_a_missing_checkpoint_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SaescopeError, match=r"there is no checkpoint .*6\.pt"):
        fetch(str(tmp_path / "6.pt"))


def test_a_folder_as_a_checkpoint_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SaescopeError, match="is a folder"):
        fetch(str(tmp_path))


def test_another_width_is_an_error_with_both_numbers(tmp_path: Path) -> None:
    with pytest.raises(SaescopeError, match="reads vectors of width 6, but the subject model gives 768"):
        load(save(tmp_path / "6.pt", state_dict()), 768)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"encoder.weight": None}, r"needs a matrix 'encoder\.weight' .*; it has pre_bias, "),
        ({"encoder.weight": torch.zeros(N_LATENTS)}, "needs a matrix"),
        ({"pre_bias": None}, "no tensor 'pre_bias'"),
        ({"latent_bias": [0.0]}, "no tensor 'latent_bias'"),
        ({"decoder.weight": torch.zeros(N_LATENTS, N_INPUTS)}, r"'decoder\.weight' has shape \[24, 6\] .* \[6, 24\]"),
        ({"pre_bias": torch.zeros(N_INPUTS, dtype=torch.int64)}, "'pre_bias' isn't a dense tensor of floating-point"),
        ({"pre_bias": torch.full((N_INPUTS,), torch.nan)}, "'pre_bias' holds values that are infinite or not a number"),
        ({"latent_bias": torch.full((N_LATENTS,), -torch.inf)}, "'latent_bias' holds values that are infinite"),
        ({"surprise": torch.zeros(1)}, "entries that are unknown: surprise"),
        ({"activation": "GELU"}, "unknown activation 'GELU'"),
        ({"activation": "TopK", "activation_state_dict": {}}, "its entries don't fit together"),
        ({"activation": "TopK", "activation_state_dict": {"k": 25}}, "it keeps 25 latents of only 24"),
        ({"activation": "TopK", "activation_state_dict": {"k": 0}}, "needs k of at least 1"),
        ({"stats_last_nonzero": torch.zeros(3)}, "its entries don't fit together"),
    ],
    ids=str,
)
def test_odd_entries_are_an_error_that_names_them(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    state = {name: value for name, value in (state_dict() | change).items() if value is not None}
    with pytest.raises(SaescopeError, match=rf"6\.pt doesn't hold an autoencoder in OpenAI's format: .*{reason}"):
        load(save(tmp_path / "6.pt", state))


def test_a_checkpoint_of_something_else_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SaescopeError, match="it holds a list instead of named tensors"):
        load(save(tmp_path / "6.pt", [torch.zeros(1)]))


def test_a_family_is_an_address() -> None:
    assert address_of("v5_32k", "resid_post_mlp", 6) == (
        "az://openaipublic/sparse-autoencoder/gpt2-small/resid_post_mlp_v5_32k/autoencoders/6.pt"
    )


@pytest.mark.parametrize("given", ["az://a/b/c.pt", "https://a.blob.core.windows.net/b/c", "sae.pt", "a/b"])
def test_an_address_or_a_path_stays_what_it_is(given: str) -> None:
    assert address_of(given, "resid_post_mlp", 6) == given


@pytest.mark.parametrize(
    ("family", "location", "layer", "message"),
    [
        ("v6", "resid_post_mlp", 6, "there is no autoencoder 'v6'; known are v1, v4, v5_32k, v5_128k"),
        ("v5_32k", "mlp_post_act", 6, "v5_32k has no autoencoder at location 'mlp_post_act'; it has resid_delta_attn"),
        ("v5_32k", "resid_post_mlp", 12, "v5_32k has no layer 12; GPT-2 small has layers 0 to 11"),
    ],
)
def test_an_unknown_family_location_or_layer_is_an_error(family: str, location: str, layer: int, message: str) -> None:
    with pytest.raises(SaescopeError, match=message):
        address_of(family, location, layer)


@pytest.mark.parametrize(
    "address", ["https://example.org/sae.pt", "gs://a/b", "az://a", "az://a/b/../../c", "az://a/b/"]
)
def test_an_address_that_cannot_be_fetched_is_an_error(address: str) -> None:
    with pytest.raises(SaescopeError, match=f"the checkpoint {address} can't be fetched: "):
        fetch(address)


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"SAESCOPE_CACHE": "/x", "XDG_CACHE_HOME": "/y"}, "/x"),
        ({"XDG_CACHE_HOME": "/y"}, "/y/saescope"),
        ({"HOME": "/z"}, "/z/.cache/saescope"),
    ],
)
def test_the_cache_is_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], folder: str
) -> None:
    monkeypatch.delenv("SAESCOPE_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(folder)


def test_the_family_s_autoencoders_of_the_layers_beside_are_known_by_their_addresses(tmp_path: Path) -> None:
    assert beside("v5_32k", "resid_post_mlp", 6) == {layer: paths.v5_32k("resid_post_mlp", layer) for layer in (5, 7)}
    assert list(beside("v5_32k", "resid_post_mlp", 11)) == [10]
    assert beside(str(tmp_path / "0.pt"), "resid_post_mlp", 0) == {1: str(tmp_path / "1.pt")}
    assert beside(str(tmp_path / "mine.pt"), "resid_post_mlp", 6) == {}
    assert beside("az://account/container/6.pt", "resid_post_mlp", 6) == {}


def test_what_is_not_at_hand_is_not_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAESCOPE_CACHE", str(tmp_path))
    assert at_hand(paths.v5_32k("resid_post_mlp", 5)) is None
    assert at_hand(str(tmp_path / "5.pt")) is None
    (tmp_path / "5.pt").write_bytes(b"x")
    found = at_hand(str(tmp_path / "5.pt"))
    assert found is not None
    assert found.size == 1
