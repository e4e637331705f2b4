"""`Autoencoder` against OpenAI's definition, written out in numpy; state dicts that load and save unchanged; addresses.

latents = activation(W_enc (x - b_pre) + b), recons = W_dec latents + b_pre; the TopK family normalises its inputs and
undoes that in decode, and applies ReLU to the k largest pre-activations.
"""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparse_autoencoder import paths
from sparse_autoencoder.model import ACTIVATIONS_CLASSES, LN, Autoencoder, TiedTranspose, TopK
from tests.support.oracle import dense_latents, normalised, pre_activations
from tests.support.runs import N_LATENTS, WIDTH, K, random_state

FAMILIES = ("TopK", "ReLU")


def state_of(family: str) -> dict[str, Any]:
    return random_state(seed=0, activation=family, latent_bias=-1.0)


@pytest.fixture(params=FAMILIES)
def state(request: pytest.FixtureRequest) -> dict[str, Any]:
    return state_of(request.param)


def some_vectors(*shape: int) -> Tensor:
    return torch.randn(*shape, WIDTH, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 3 + 1


def in_float64(state: dict[str, Any]) -> Autoencoder:
    return Autoencoder.from_state_dict(state).double()


def decoded(state: dict[str, Any], latents: NDArray[np.float64], x: Tensor) -> NDArray[np.float64]:
    weight, pre_bias = (np.asarray(state[name], np.float64) for name in ("decoder.weight", "pre_bias"))
    recons = np.stack([weight @ row + pre_bias for row in latents])
    if state["activation"] == "TopK":
        _normal, mu, std = normalised(x.numpy())
        return recons * std + mu
    return recons


def assert_close(found: Tensor, expected: NDArray[np.float64]) -> None:
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-10, atol=1e-10)


def test_latents_are_those_of_the_definition(state: dict[str, Any]) -> None:
    x = some_vectors(50)
    latents, _info = in_float64(state).encode(x)
    expected = dense_latents(state, x.numpy())
    assert_close(latents, expected)
    assert ((latents > 0).numpy() == (expected > 0)).all()
    assert 0.01 < (expected > 0).mean() < 0.5


def test_a_reconstruction_undoes_the_normalisation(state: dict[str, Any]) -> None:
    x = some_vectors(50)
    autoencoder = in_float64(state)
    latents, info = autoencoder.encode(x)
    assert_close(autoencoder.decode(latents, info), decoded(state, dense_latents(state, x.numpy()), x))


def test_topk_inputs_are_divided_by_the_unbiased_deviation_plus_its_epsilon() -> None:
    x = torch.tensor([[0.0, 1e-5, 2e-5]], dtype=torch.float64)  # mean 1e-5, unbiased deviation 1e-5
    normal, info = Autoencoder(4, 3, TopK(1), normalize=True).double().preprocess(x)
    assert_close(normal, np.array([[-0.5, 0.0, 0.5]]))
    assert_close(info["mu"], np.array([[1e-5]]))
    assert_close(info["std"], np.array([[1e-5]]))


def test_relu_inputs_are_not_normalised() -> None:
    autoencoder = in_float64(state_of("ReLU"))
    x = some_vectors(3)
    assert torch.equal(autoencoder.preprocess(x)[0], x)
    assert autoencoder.encode(x)[1] == {}


def test_topk_keeps_the_largest_pre_activations_and_then_applies_relu() -> None:
    pre_acts = torch.tensor([[3.0, -1.0, 2.0, 5.0], [-4.0, -1.0, 2.0, -3.0]])
    assert TopK(2)(pre_acts).tolist() == [[3.0, 0.0, 0.0, 5.0], [0.0, 0.0, 2.0, 0.0]]


def test_pre_activations_of_a_slice_are_those_of_its_latents(state: dict[str, Any]) -> None:
    x = some_vectors(7)
    expected = pre_activations(state, x.numpy())
    autoencoder = in_float64(state)
    assert_close(autoencoder.encode_pre_act(x), expected)
    assert_close(autoencoder.encode_pre_act(x, slice(5, 9)), expected[:, 5:9])


def test_forward_gives_pre_activations_latents_and_reconstructions(state: dict[str, Any]) -> None:
    x = some_vectors(9)
    pre_acts, latents, recons = in_float64(state)(x)
    inputs = normalised(x.numpy())[0] if state["activation"] == "TopK" else x.numpy()
    expected = dense_latents(state, x.numpy())
    assert_close(pre_acts, pre_activations(state, inputs))
    assert_close(latents, expected)
    assert_close(recons, decoded(state, expected, x))


def test_encode_takes_vectors_in_any_batch_shape(state: dict[str, Any]) -> None:
    x = some_vectors(4, 5)
    autoencoder = in_float64(state)
    latents, info = autoencoder.encode(x)
    flat, flat_info = autoencoder.encode(x.reshape(20, WIDTH))
    assert_close(latents.reshape(20, N_LATENTS), flat.detach().numpy())
    assert_close(
        autoencoder.decode(latents, info).reshape(20, WIDTH), autoencoder.decode(flat, flat_info).detach().numpy()
    )


def test_a_normalising_autoencoder_can_not_decode_without_info() -> None:
    with pytest.raises(ValueError, match="decode needs the info that encode gave"):
        in_float64(state_of("TopK")).decode(torch.zeros(1, N_LATENTS, dtype=torch.float64))


def test_forward_counts_the_batches_since_a_latent_was_active() -> None:
    autoencoder = Autoencoder(2, 2)
    with torch.no_grad():
        autoencoder.encoder.weight.copy_(torch.eye(2))
    counts = []
    for batch in ([[1.0, -1.0], [-1.0, -1.0]], [[-1.0, -1.0]], [[-1.0, 1.0]]):
        autoencoder(torch.tensor(batch))
        counts.append(autoencoder.stats_last_nonzero.tolist())
    assert counts == [[1, 1], [2, 2], [3, 1]]


def test_encode_leaves_the_counts_alone(state: dict[str, Any]) -> None:
    autoencoder = in_float64(state)
    autoencoder.encode(some_vectors(5))
    assert autoencoder.stats_last_nonzero.tolist() == list(range(N_LATENTS))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_state_dicts_load_and_save_unchanged(state: dict[str, Any], dtype: torch.dtype) -> None:
    checkpoint = {name: as_type(value, dtype) for name, value in state.items()}
    first = saved(checkpoint)
    expected = {name: as_type(value, torch.float32) for name, value in checkpoint.items()}
    inner = expected.setdefault("activation_state_dict", {})  # OpenAI's class has these entries besides
    expected |= {f"activation.{name}": value for name, value in inner.items()}
    second = saved(Autoencoder.from_state_dict(first).state_dict())
    assert_same_state(second, expected)
    assert_same_state(saved(Autoencoder.from_state_dict(second).state_dict()), second)


def as_type(value: object, dtype: torch.dtype) -> Any:
    """A tensor of numbers as this type; other entries as they are."""
    return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value


def test_the_callers_tensors_are_copied(state: dict[str, Any]) -> None:
    autoencoder = Autoencoder.from_state_dict(state)
    state["encoder.weight"].zero_()
    assert autoencoder.encoder.weight.abs().sum() > 0


def test_a_tied_autoencoder_decodes_with_the_encoders_weights(tmp_path: Path) -> None:
    tied = Autoencoder(N_LATENTS, WIDTH, TopK(K), tied=True, normalize=True)
    assert isinstance(tied.decoder, TiedTranspose)
    untied = Autoencoder(N_LATENTS, WIDTH, TopK(K), normalize=True)
    with torch.no_grad():
        untied.encoder.weight.copy_(tied.encoder.weight)
        untied.decoder.weight.copy_(tied.encoder.weight.t())
    x = some_vectors(5).float()
    again = Autoencoder.from_state_dict(saved(tied.state_dict()))
    assert "decoder.linear.weight" in tied.state_dict()
    for found in (tied, again):
        torch.testing.assert_close(found(x)[2], untied(x)[2])


def test_layer_norm_gives_what_undoes_it() -> None:
    x = some_vectors(4)
    normal, mu, std = LN(x)
    expected, expected_mu, expected_std = normalised(x.numpy())
    for found, value in ((normal, expected), (mu, expected_mu), (std, expected_std)):
        np.testing.assert_allclose(found.numpy().squeeze(), np.squeeze(value), rtol=1e-12)


def test_activations_are_found_by_their_names() -> None:
    assert {"ReLU": torch.nn.ReLU, "Identity": torch.nn.Identity, "TopK": TopK} == ACTIVATIONS_CLASSES
    assert TopK.from_state_dict(TopK(3, torch.nn.Identity()).state_dict()).state_dict() == {
        "k": 3,
        "postact_fn": "Identity",
    }
    with pytest.raises(KeyError):
        TopK.from_state_dict({"postact_fn": "ReLU"})


def test_loading_leaves_the_callers_state_dict_as_it_was(state: dict[str, Any]) -> None:
    before = {name: value.clone() if isinstance(value, Tensor) else value for name, value in state.items()}
    Autoencoder.from_state_dict(state)(some_vectors(3).float())
    assert list(state) == list(before)
    for name in ("activation", "activation_state_dict"):
        assert state.get(name) == before.get(name)


def saved(state: dict[str, Any]) -> dict[str, Any]:
    """A state dict written to a file and read back without trusting it."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded: dict[str, Any] = torch.load(file, weights_only=True)
    return loaded


def assert_same_state(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert set(found) == set(expected)
    for name, value in expected.items():
        if isinstance(value, Tensor):
            assert found[name].dtype == value.dtype
            assert torch.equal(found[name], value), name
        else:
            assert found[name] == value


def test_an_entry_that_is_missing_or_unknown_is_an_error(state: dict[str, Any]) -> None:
    with pytest.raises(RuntimeError, match="Missing key"):
        Autoencoder.from_state_dict({name: value for name, value in state.items() if name != "pre_bias"})
    with pytest.raises(RuntimeError, match="Unexpected key"):
        Autoencoder.from_state_dict(state | {"scale": torch.ones(1)})


def test_statistics_may_be_missing_from_a_load_that_is_not_strict(state: dict[str, Any]) -> None:
    for name in ("stats_last_nonzero", "latents_activation_frequency", "latents_mean_square"):
        del state[name]
    autoencoder = Autoencoder.from_state_dict(state, strict=False)
    assert autoencoder.stats_last_nonzero.tolist() == [0] * N_LATENTS
    assert autoencoder.latents_activation_frequency.tolist() == [1.0] * N_LATENTS
    assert autoencoder.latents_mean_square.tolist() == [0.0] * N_LATENTS
    assert autoencoder.stats_last_nonzero.dtype == torch.int64


def test_an_unknown_activation_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown activation 'Swish'"):
        Autoencoder.from_state_dict(state_of("ReLU") | {"activation": "Swish"})


def test_a_state_dict_that_names_no_activation_is_a_relu_one() -> None:
    state = state_of("ReLU")
    del state["activation"]
    assert isinstance(Autoencoder.from_state_dict(state).activation, torch.nn.ReLU)


def test_topk_reads_its_k_from_the_state_dict() -> None:
    activation = Autoencoder.from_state_dict(state_of("TopK")).activation
    assert isinstance(activation, TopK)
    assert activation.k == K


def test_openais_example_works(tmp_path: Path) -> None:
    torch.save(state_of("TopK"), tmp_path / "checkpoint.pt")
    program = """
import sys, torch
import sparse_autoencoder
print(sparse_autoencoder.paths.v5_32k("resid_post_mlp", 6))
with open(sys.argv[1], mode="rb") as f:
    state_dict = torch.load(f)
    autoencoder = sparse_autoencoder.Autoencoder.from_state_dict(state_dict)
    autoencoder.to("cpu")
input_tensor = torch.randn(5, 24)
with torch.no_grad():
    latent_activations, info = autoencoder.encode(input_tensor)
    reconstructed_activations = autoencoder.decode(latent_activations, info)
normalized_mse = (reconstructed_activations - input_tensor).pow(2).sum(dim=1) / (input_tensor).pow(2).sum(dim=1)
print(normalized_mse.shape)
"""
    arguments = [sys.executable, "-c", program, str(tmp_path / "checkpoint.pt")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "az://openaipublic/sparse-autoencoder/gpt2-small/resid_post_mlp_v5_32k/autoencoders/6.pt",
        "torch.Size([5])",
    ]


@pytest.mark.parametrize(
    ("family", "location", "layer", "folder"),
    [
        ("v1", "mlp_post_act", 0, "mlp_post_act"),
        ("v1", "resid_delta_mlp", 11, "resid_delta_mlp"),
        ("v4", "mlp_post_act", 3, "mlp_post_act_v4"),
        ("v4", "resid_delta_mlp", 5, "resid_delta_mlp_v4"),
        ("v5_32k", "resid_delta_attn", 1, "resid_delta_attn_v5_32k"),
        ("v5_32k", "resid_delta_mlp", 2, "resid_delta_mlp_v5_32k"),
        ("v5_32k", "resid_post_attn", 7, "resid_post_attn_v5_32k"),
        ("v5_32k", "resid_post_mlp", 6, "resid_post_mlp_v5_32k"),
        ("v5_128k", "resid_delta_attn", 8, "resid_delta_attn_v5_128k"),
        ("v5_128k", "resid_post_mlp", 10, "resid_post_mlp_v5_128k"),
    ],
)
def test_a_familys_addresses_are_the_published_ones(family: str, location: str, layer: int, folder: str) -> None:
    address = f"az://openaipublic/sparse-autoencoder/gpt2-small/{folder}/autoencoders/{layer}.pt"
    assert paths.FAMILIES[family](location, layer) == address


@pytest.mark.parametrize(
    ("family", "location"),
    [("v1", "resid_post_mlp"), ("v4", "resid_delta_attn"), ("v5_32k", "mlp_post_act"), ("v5_128k", "elsewhere")],
)
def test_a_location_that_a_family_does_not_have_is_refused(family: str, location: str) -> None:
    with pytest.raises(ValueError, match=f"{family} has no autoencoder at location '{location}'; it has "):
        paths.FAMILIES[family](location, 0)


@pytest.mark.parametrize("layer", [-1, 12])
@pytest.mark.parametrize("family", ["v1", "v4", "v5_32k", "v5_128k"])
def test_a_layer_that_gpt2_small_does_not_have_is_refused(family: str, layer: int) -> None:
    with pytest.raises(ValueError, match=f"{family} has no layer {layer}; GPT-2 small has layers 0 to 11"):
        paths.FAMILIES[family]("resid_delta_mlp", layer)
