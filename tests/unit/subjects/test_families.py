"""Other families of models on TransformerLens: a hook point is as wide as what comes of it, or is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.subjects.hook_points import LOCATIONS
from sparse_autoencoder.subjects.hugging_face_hub import read_config
from sparse_autoencoder.subjects.load_whole_model import load_whole
from sparse_autoencoder.subjects.subject import Subject, load_subject
from sparse_autoencoder.subjects.whole_model import Tail
from tests.support.runs import tiny_tokenizer

SMALL: dict[str, Any] = {"vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
MOE: dict[str, Any] = {"num_key_value_heads": 2, "intermediate_size": 48, "max_position_embeddings": 40}


def saved(folder: Path, config: Any, model: Any = None) -> Path:
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    auto: Any = AutoModelForCausalLM
    (auto.from_config(config) if model is None else model(config)).save_pretrained(folder)
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    return folder


def llama(folder: Path) -> Path:
    from transformers import LlamaConfig

    return saved(folder, LlamaConfig(**SMALL, **MOE))


def opt(folder: Path) -> Path:
    from transformers import OPTConfig

    return saved(folder, OPTConfig(**SMALL, ffn_dim=80, word_embed_proj_dim=32, max_position_embeddings=40))


def mixtral(folder: Path) -> Path:
    from transformers import MixtralConfig

    return saved(folder, MixtralConfig(**SMALL, **MOE, num_local_experts=4, num_experts_per_tok=2))


def neox(folder: Path) -> Path:
    from transformers import GPTNeoXConfig

    return saved(folder, GPTNeoXConfig(**SMALL, intermediate_size=48, max_position_embeddings=40))


def gemma(folder: Path) -> Path:
    """Gemma 3 with eyes, whose config has that of the language model inside."""
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Gemma3Config(
        text_config=SMALL | MOE | {"head_dim": 8, "sliding_window": 16, "bos_token_id": 2},
        vision_config=small | {"image_size": 28, "patch_size": 14},
        mm_tokens_per_image=4,
    )
    return saved(folder, config, Gemma3ForConditionalGeneration)


def widths(subject: Subject) -> dict[str, int | str]:
    """The width of each location, or why it is refused."""
    found: dict[str, int | str] = {}
    for location in LOCATIONS:
        try:
            found[location] = subject.width(location, 1)
        except SaescopeError as error:
            found[location] = str(error)
    return found


@pytest.mark.parametrize(
    ("make", "refused"),
    [
        (llama, {}),
        (opt, {}),
        (gemma, {}),
        (neox, {"resid_post_attn": "has no resid_post_attn"}),
        (mixtral, {"mlp_post_act": "has a mixture of experts"}),
    ],
)
def test_a_hook_point_is_as_wide_as_what_comes_of_it_or_refused(
    tmp_path: Path, make: Callable[[Path], Path], refused: dict[str, str]
) -> None:
    subject = load_subject(make(tmp_path))
    tokens = torch.tensor([[1, 2, 3], [4, 5, 6]])
    for location, width in widths(subject).items():
        if isinstance(width, str):
            assert refused.pop(location) in width
        else:
            assert subject.activations(tokens, location, 1).shape == (2, 3, width)
    assert refused == {}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"text_config": {"vocab_size": 9, "max_position_embeddings": 7, "bos_token_id": 2}}, (9, 7, 2)),
        ({"vocab_size": 9, "text_config": {"vocab_size": 8, "max_position_embeddings": 7}}, (9, 7, None)),
        ({"vocab_size": 9, "bos_token_id": None, "text_config": {"n_positions": 7, "bos_token_id": 3}}, (9, 7, 3)),
        ({"vocab_size": 9, "n_positions": 7, "max_position_embeddings": 99, "bos_token_id": 0}, (9, 7, 0)),
        ({"vocab_size": 9, "max_sequence_length": 7, "bos_token_id": [4, 5]}, (9, 7, 4)),
    ],
)
def test_a_config_is_read_wherever_it_has_its_entries(
    tmp_path: Path, config: dict[str, Any], expected: tuple[int, int, int | None]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "some", **config}))
    read = read_config(tmp_path)
    assert (read["vocab_size"], read["n_positions"], read["bos_token_id"]) == expected


@pytest.mark.parametrize("location", ["resid_post_attn", "resid_post_mlp"])
def test_predictions_with_changed_vectors_are_hugging_face_s(tmp_path: Path, location: str) -> None:
    from transformers import AutoModelForCausalLM

    folder = llama(tmp_path)
    run = load_whole(load_subject(folder), folder, {}, (location, 0)).run([[1, 2, 3, 4, 5], [6, 7, 8]])
    differences = torch.randn(2, 2, 32, generator=torch.Generator().manual_seed(0))
    found = run.changed([Tail(1, 1, differences[0]), Tail(0, 2, differences[1])]).logits(torch.arange(5))
    model = AutoModelForCausalLM.from_pretrained(folder)
    layer = model.model.layers[0]
    changed = layer.self_attn.o_proj if location == "resid_post_attn" else layer

    def logits(tokens: list[int], begin: int, difference: torch.Tensor) -> torch.Tensor:
        def add(_module: Any, _inputs: Any, output: Any) -> Any:
            output[:, begin : begin + 2] += difference
            return output

        hook = changed.register_forward_hook(add)
        with torch.inference_mode():
            by_hand: torch.Tensor = model(torch.tensor([tokens])).logits[0, begin:]
        hook.remove()
        return by_hand

    expected = torch.cat([logits([6, 7, 8], 1, differences[0]), logits([1, 2, 3, 4, 5], 2, differences[1])])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    clean = run.predictions.logits(torch.tensor([6, 7, 2, 3, 4]))
    assert (clean - expected).abs().max() > 0.01
