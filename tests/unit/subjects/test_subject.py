"""The subject models against Hugging Face's GPT-2 and TransformerLens."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.subjects.gpt2_weights import ACTIVATIONS
from sparse_autoencoder.subjects.hook_points import LOCATIONS, hook_name
from sparse_autoencoder.subjects.prefix_tree import PrefixTree
from sparse_autoencoder.subjects.subject import Subject, distinct_activations, load_subject
from sparse_autoencoder.subjects.transformer_lens_subject import BridgeSubject
from tests.support.hf_cache import random_weights, write_random_gpt2, write_weights

PLAIN: dict[str, Any] = {
    "model_type": "gpt2",
    "architectures": ["GPT2LMHeadModel"],
    "activation_function": "gelu_new",
    "vocab_size": 211,
    "n_positions": 40,
    "n_embd": 48,
    "n_layer": 4,
    "n_head": 3,
    "layer_norm_epsilon": 1e-5,
    "bos_token_id": 210,
    "eos_token_id": 210,
}
ODD = PLAIN | {"n_embd": 35, "n_head": 5, "n_inner": 57, "n_layer": 3, "n_positions": 23, "vocab_size": 97}
ODD |= {"bos_token_id": 96, "eos_token_id": 96, "layer_norm_epsilon": 1e-3, "activation_function": "gelu"}
MODELS = {"plain": PLAIN, "odd sizes": ODD}


@pytest.fixture(scope="module", params=MODELS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gpt2")
    write_random_gpt2(path, MODELS[request.param])
    return path


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    write_random_gpt2(tmp_path, PLAIN)
    return tmp_path


def some_tokens(subject: Subject, batch: int = 6, positions: int = 17) -> Tensor:
    return torch.randint(subject.vocab_size, (batch, positions), generator=torch.Generator().manual_seed(1))


def hugging_face_residuals(folder: Path, tokens: Tensor, dtype: torch.dtype) -> list[Tensor]:
    """The residual stream after every block. Hugging Face puts the final norm on the last, so blocks are hooked."""
    from transformers import GPT2Model  # takes seconds

    model = GPT2Model.from_pretrained(folder, dtype=dtype, attn_implementation="eager")
    residuals: list[Tensor] = []
    for block in model.h:
        block.register_forward_hook(lambda _module, _inputs, output: residuals.append(output))
    with torch.inference_mode():
        hidden_states = model(tokens, output_hidden_states=True).hidden_states
    assert all(torch.equal(*pair) for pair in zip(residuals[:-1], hidden_states[1:-1], strict=True))
    return residuals


def test_every_layer_equals_hugging_faces_hidden_states(folder: Path) -> None:
    subject = load_subject(folder, implementation="gpt2")
    tokens = some_tokens(subject)
    for layer_index, expected in enumerate(hugging_face_residuals(folder, tokens, torch.float32)):
        found = subject.activations(tokens, "resid_post_mlp", layer_index)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_float64_equals_hugging_face_to_rounding(folder: Path) -> None:
    subject = load_subject(folder, dtype=torch.float64, implementation="gpt2")
    tokens = some_tokens(subject)
    for layer_index, expected in enumerate(hugging_face_residuals(folder, tokens, torch.float64)):
        found = subject.activations(tokens, "resid_post_mlp", layer_index)
        assert found.dtype == torch.float64
        torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)


def test_every_location_of_every_layer_equals_transformer_lens(folder: Path) -> None:
    own = load_subject(folder, dtype=torch.float64)
    reference = load_subject(folder, dtype=torch.float64, implementation="transformer_lens")
    tokens = some_tokens(own)
    assert isinstance(reference, BridgeSubject)
    assert (reference.n_layers, reference.vocab_size, reference.max_positions) == (
        own.n_layers,
        own.vocab_size,
        own.max_positions,
    )
    for layer_index in range(own.n_layers):
        for location in LOCATIONS:
            found = own.activations(tokens, location, layer_index)
            expected = reference.activations(tokens, location, layer_index)
            assert (
                found.shape == (*tokens.shape, own.width(location, 0)) == (*tokens.shape, reference.width(location, 0))
            )
            torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12, msg=hook_name(location, layer_index))


@pytest.mark.parametrize(
    "option",
    [{"scale_attn_weights": False}, {"scale_attn_by_inverse_layer_idx": True}, {"layer_norm_epsilon": 0.1}],
    ids=lambda option: next(iter(option)),
)
def test_the_configs_options_change_the_result_as_in_hugging_face(tmp_path: Path, option: dict[str, Any]) -> None:
    write_random_gpt2(tmp_path / "plain", PLAIN)
    write_random_gpt2(tmp_path / "with option", PLAIN | option)
    subject = load_subject(tmp_path / "with option", dtype=torch.float64)
    tokens = some_tokens(subject)
    found = subject.activations(tokens, "resid_post_mlp", 3)
    expected = hugging_face_residuals(tmp_path / "with option", tokens, torch.float64)[3]
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)
    without = load_subject(tmp_path / "plain", dtype=torch.float64).activations(tokens, "resid_post_mlp", 3)
    assert (found - without).abs().max() > 1e-3


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_function_is_hugging_faces(tmp_path: Path, activation: str) -> None:
    write_random_gpt2(tmp_path, PLAIN | {"activation_function": activation, "n_layer": 1})
    subject = load_subject(tmp_path, dtype=torch.float64)
    tokens = some_tokens(subject)
    found = subject.activations(tokens, "resid_post_mlp", 0)
    # gelu_fast rounds a constant to ten digits
    torch.testing.assert_close(found, hugging_face_residuals(tmp_path, tokens, torch.float64)[0], atol=1e-9, rtol=0)


def test_a_window_gives_the_same_alone_and_in_a_batch(plain: Path) -> None:
    subject = load_subject(plain)
    tokens = some_tokens(subject)
    together = subject.activations(tokens, "resid_post_mlp", 3)
    alone = torch.cat([subject.activations(window[None], "resid_post_mlp", 3) for window in tokens])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shared", [1, 5, 16])
@pytest.mark.parametrize("location", LOCATIONS)
def test_windows_with_a_common_beginning_give_the_same_alone_and_in_a_batch(
    plain: Path, location: str, shared: int
) -> None:
    subject = load_subject(plain, dtype=torch.float64)
    tokens = some_tokens(subject)
    tokens[:, :shared] = tokens[0, :shared]
    together = subject.activations(tokens, location, 3)
    alone = torch.cat([subject.activations(window[None], location, 3) for window in tokens])
    torch.testing.assert_close(together, alone, atol=1e-12, rtol=0)


def test_a_common_beginning_is_computed_once(plain: Path) -> None:
    subject = load_subject(plain, dtype=torch.float64)  # whose operations can be counted
    tokens = some_tokens(subject, batch=8, positions=20)
    flops = []
    for shared in (0, 10):
        tokens[:, :shared] = tokens[0, :shared]
        with FlopCounterMode(display=False) as counter:
            subject.activations(tokens, "resid_delta_mlp", 3)
        flops.append(counter.get_flop_counts()["Global"][torch.ops.aten.addmm])
    assert flops[1] / flops[0] == pytest.approx((8 * 10 + 10) / (8 * 20))


def test_no_windows_give_no_activations(plain: Path) -> None:
    subject = load_subject(plain)
    found = subject.activations(torch.empty(0, 5, dtype=torch.long), "mlp_post_act", 1)
    assert found.shape == (0, 5, 192)


def test_what_windows_begin_with_alike_is_computed_once_and_comes_out_as_if_it_were_not(plain: Path) -> None:
    subject = load_subject(plain, dtype=torch.float64)
    tokens = torch.tensor([[5, 1, 2, 3], [5, 1, 2, 4], [5, 1, 7, 3], [6, 1, 2, 3]])
    distinct, layout = distinct_activations(subject, tokens, "resid_post_mlp", 3)
    assert len(distinct) == 11
    alone = torch.cat([subject.activations(window[None], "resid_post_mlp", 3) for window in tokens])
    torch.testing.assert_close(layout.per_window(distinct), alone, atol=1e-12, rtol=1e-12)


def test_another_subject_model_s_distinct_activations_are_all_of_them(plain: Path) -> None:
    subject = load_subject(plain, implementation="transformer_lens")
    tokens = torch.tensor([[5, 1, 2], [5, 1, 4]])
    distinct, layout = distinct_activations(subject, tokens, "resid_post_mlp", 3)
    assert len(distinct) == 6
    torch.testing.assert_close(layout.per_window(distinct), subject.activations(tokens, "resid_post_mlp", 3))


def test_a_token_sees_only_those_before_it(plain: Path) -> None:
    subject = load_subject(plain)
    tokens = some_tokens(subject)
    changed = tokens.clone()
    changed[:, 10:] = (changed[:, 10:] + 1) % subject.vocab_size
    before, after = (subject.activations(each, "resid_post_mlp", 3) for each in (tokens, changed))
    torch.testing.assert_close(before[:, :10], after[:, :10], atol=1e-5, rtol=1e-5)
    assert ((before[:, 10:] - after[:, 10:]).abs().amax(dim=-1) > 1e-3).all()


@pytest.mark.parametrize(
    ("location", "multiplications"),  # each of a [48, n] matrix or its transpose, n summed over those of the last block
    [
        ("resid_delta_attn", 3 * 48 + 48),
        ("resid_post_attn", 3 * 48 + 48),
        ("mlp_post_act", 3 * 48 + 48 + 192),
        ("resid_delta_mlp", 3 * 48 + 48 + 192 + 192),
        ("resid_post_mlp", 3 * 48 + 48 + 192 + 192),
    ],
)
def test_only_what_the_hook_point_needs_is_computed(plain: Path, location: str, multiplications: int) -> None:
    subject = load_subject(plain, dtype=torch.float64)  # whose operations can be counted
    tokens = some_tokens(subject)
    with FlopCounterMode(display=False) as counter:
        subject.activations(tokens, location, 2)
    whole_block = 3 * 48 + 48 + 192 + 192
    expected = 2 * len(PrefixTree.of(tokens).first) * 48 * (2 * whole_block + multiplications)
    assert counter.get_flop_counts()["Global"][torch.ops.aten.addmm] == expected


def test_later_blocks_dont_touch_the_result(plain: Path) -> None:
    whole = load_subject(plain)
    weights = random_weights(PLAIN, seed=0)
    spoilt = {
        name: torch.full_like(tensor, torch.nan) if name.startswith(("h.2.", "h.3.", "ln_f.")) else tensor
        for name, tensor in weights.items()
    }
    write_weights(plain / "model.safetensors", spoilt)
    tokens = some_tokens(whole)
    found = load_subject(plain).activations(tokens, "resid_post_mlp", 1)
    assert torch.equal(found, whole.activations(tokens, "resid_post_mlp", 1))


def test_blocks_after_the_last_layer_asked_for_stay_on_disk(plain: Path) -> None:
    expected = load_subject(plain)
    tokens = some_tokens(expected)
    weights = random_weights(PLAIN, seed=0)
    first_two = {name: tensor for name, tensor in weights.items() if not name.startswith(("h.2.", "h.3."))}
    write_weights(plain / "model.safetensors", first_two)
    subject = load_subject(plain, last_layer=1)
    assert subject.n_layers == 4
    found = subject.activations(tokens, "resid_post_mlp", 1)
    assert torch.equal(found, expected.activations(tokens, "resid_post_mlp", 1))


def test_shards_and_prefixed_names_load_as_one_file_does(plain: Path) -> None:
    expected = load_subject(plain)
    tokens = some_tokens(expected)
    weights = {f"transformer.{name}": tensor for name, tensor in random_weights(PLAIN, seed=0).items()}
    names = sorted(weights)
    shards = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for shard, part in shards.items():
        write_weights(plain / shard, {name: weights[name] for name in part})
    weight_map = {name: shard for shard, part in shards.items() for name in part}
    (plain / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    (plain / "model.safetensors").unlink()
    found = load_subject(plain, implementation="gpt2").activations(tokens, "resid_post_mlp", 3)
    assert torch.equal(found, expected.activations(tokens, "resid_post_mlp", 3))


def test_a_gpt2_with_bin_weights_runs_on_transformer_lens(plain: Path) -> None:
    expected = load_subject(plain)
    tokens = some_tokens(expected)
    from transformers import AutoModelForCausalLM  # takes seconds

    model = AutoModelForCausalLM.from_pretrained(plain)
    torch.save(model.state_dict(), plain / "pytorch_model.bin")
    (plain / "model.safetensors").unlink()
    subject = load_subject(plain)
    assert isinstance(subject, BridgeSubject)
    found = subject.activations(tokens, "mlp_post_act", 2)
    torch.testing.assert_close(found, expected.activations(tokens, "mlp_post_act", 2), atol=1e-5, rtol=1e-5)


def test_another_family_runs_on_transformer_lens(tmp_path: Path) -> None:
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=101, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64
    )
    config.max_position_embeddings = 50
    GPTNeoXForCausalLM(config).save_pretrained(tmp_path)
    model = GPTNeoXForCausalLM.from_pretrained(tmp_path)
    subject = load_subject(tmp_path)
    tokens = some_tokens(subject)
    assert (subject.n_layers, subject.vocab_size, subject.max_positions) == (3, 101, 50)
    assert (subject.width("resid_post_mlp", 1), subject.width("mlp_post_act", 1)) == (32, 64)
    with torch.inference_mode():
        expected = model(tokens, output_hidden_states=True).hidden_states[2]
    torch.testing.assert_close(subject.activations(tokens, "resid_post_mlp", 1), expected, atol=1e-5, rtol=1e-5)
    # attention and MLP run side by side in this family, so there is nothing between them
    with pytest.raises(SaescopeError, match="has no resid_post_attn"):
        subject.activations(tokens, "resid_post_attn", 1)


def test_bfloat16_is_float32_to_its_precision(plain: Path) -> None:
    exact = load_subject(plain)
    tokens = some_tokens(exact)
    found = load_subject(plain, dtype=torch.bfloat16).activations(tokens, "resid_post_mlp", 3)
    expected = exact.activations(tokens, "resid_post_mlp", 3)
    assert found.dtype == torch.bfloat16
    assert (found - expected).norm() / expected.norm() < 0.02


def test_weights_stored_in_half_precision_are_computed_with_in_the_asked_for_one(plain: Path) -> None:
    halved = {name: tensor.half() for name, tensor in random_weights(PLAIN, seed=0).items()}
    write_weights(plain / "model.safetensors", halved)
    half = load_subject(plain)
    write_weights(plain / "model.safetensors", {name: tensor.float() for name, tensor in halved.items()})
    single = load_subject(plain)
    tokens = some_tokens(half)
    results = [subject.activations(tokens, "resid_post_mlp", 3) for subject in (half, single)]
    assert half.dtype == torch.float32
    assert torch.equal(*results)


def test_hook_points_have_transformer_lenss_names() -> None:
    assert [hook_name(location, 6) for location in LOCATIONS] == [
        "blocks.6.mlp.hook_post",
        "blocks.6.hook_attn_out",
        "blocks.6.hook_resid_mid",
        "blocks.6.hook_mlp_out",
        "blocks.6.hook_resid_post",
    ]


def test_gpt2_runs_without_importing_transformers(plain: Path) -> None:
    program = (
        "import sys, torch; from pathlib import Path; from sparse_autoencoder.subjects.subject import load_subject;"
        "load_subject(Path(sys.argv[1])).activations(torch.tensor([[1, 2]]), 'resid_post_mlp', 3);"
        "print([name for name in ('transformers', 'transformer_lens', 'huggingface_hub') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(plain)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_model_stays_what_it_was_when_its_file_is_written_over(plain: Path, tmp_path: Path) -> None:
    model = load_subject(plain, implementation="transformer_lens")
    tokens = torch.arange(20)[None]
    before = model.activations(tokens, "resid_post_mlp", 1).clone()
    write_random_gpt2(tmp_path / "other", PLAIN, seed=5)
    (plain / "model.safetensors").write_bytes((tmp_path / "other" / "model.safetensors").read_bytes())
    assert torch.equal(model.activations(tokens, "resid_post_mlp", 1), before)
