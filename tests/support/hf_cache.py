"""GPT-2 models with random weights as Hugging Face folders, and a Hugging Face cache that holds one as `gpt2`.

Every tensor is random, the layer norms' gains and all biases too, so that code that leaves one out can't agree by
chance. The files are written from the architecture's description, with neither transformers nor saescope.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.support.gpt2_tokenizer import VOCAB_SIZE, write_tokenizer

COMMIT = "0123456789abcdef0123456789abcdef01234567"  # stands for the revision that was downloaded

GPT2_SMALL: dict[str, Any] = {
    "architectures": ["GPT2LMHeadModel"],
    "model_type": "gpt2",
    "activation_function": "gelu_new",
    "vocab_size": VOCAB_SIZE,
    "n_positions": 1024,
    "n_ctx": 1024,
    "n_embd": 768,
    "n_layer": 12,
    "n_head": 12,
    "layer_norm_epsilon": 1e-5,
    "bos_token_id": VOCAB_SIZE - 1,
    "eos_token_id": VOCAB_SIZE - 1,
}


def seed_gpt2_cache(root: Path, seed: int = 0) -> None:
    """Write a complete cache entry for `gpt2` into the Hugging Face cache `root` (what HF_HUB_CACHE names).

    The model has the size of GPT-2 small (12 layers, width 768, 50257 tokens; 0.5 GB) with random weights, and GPT-2's
    real tokenizer.
    """
    snapshot = cache_entry(root, "gpt2")
    write_random_gpt2(snapshot, GPT2_SMALL, seed)
    write_tokenizer(snapshot)


def cache_entry(root: Path, name: str) -> Path:
    """Make an empty snapshot folder for the model `name` in the Hugging Face cache `root`, and return it."""
    entry = root / f"models--{name.replace('/', '--')}"
    (entry / "refs").mkdir(parents=True)
    (entry / "refs" / "main").write_text(COMMIT)
    snapshot = entry / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    return snapshot


def write_random_gpt2(folder: Path, config: dict[str, Any], seed: int = 0) -> dict[str, Tensor]:
    """Write config.json and model.safetensors of a GPT-2 with seeded random weights, and return the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    weights = random_weights(config, seed)
    write_weights(folder / "model.safetensors", weights)
    return weights


def write_weights(path: Path, weights: dict[str, Tensor]) -> None:
    """Write tensors as Hugging Face's loaders accept them."""
    save_file(weights, path, metadata={"format": "pt"})


def random_weights(config: dict[str, Any], seed: int) -> dict[str, Tensor]:
    """GPT-2's tensors by their names on the hub (without `transformer.`), each random and of a plausible size."""
    generator = torch.Generator().manual_seed(seed)
    d_model = config["n_embd"]
    d_mlp = config.get("n_inner") or 4 * d_model

    def normal(*shape: int, std: float, mean: float = 0.0) -> Tensor:
        return torch.empty(shape).normal_(mean, std, generator=generator)

    def norm(name: str) -> dict[str, Tensor]:
        return {f"{name}.weight": normal(d_model, std=0.2, mean=1.0), f"{name}.bias": normal(d_model, std=0.2)}

    def linear(name: str, n_in: int, n_out: int) -> dict[str, Tensor]:
        return {f"{name}.weight": normal(n_in, n_out, std=n_in**-0.5), f"{name}.bias": normal(n_out, std=0.2)}

    weights = {
        "wte.weight": normal(config["vocab_size"], d_model, std=0.5),
        "wpe.weight": normal(config["n_positions"], d_model, std=0.5),
    }
    for layer_index in range(config["n_layer"]):
        block = f"h.{layer_index}"
        weights |= norm(f"{block}.ln_1") | norm(f"{block}.ln_2")
        weights |= linear(f"{block}.attn.c_attn", d_model, 3 * d_model)
        weights |= linear(f"{block}.attn.c_proj", d_model, d_model)
        weights |= linear(f"{block}.mlp.c_fc", d_model, d_mlp)
        weights |= linear(f"{block}.mlp.c_proj", d_mlp, d_model)
    return weights | norm("ln_f")
