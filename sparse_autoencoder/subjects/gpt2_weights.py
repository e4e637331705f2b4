"""What a GPT-2's folder holds: its config, and the weights of its layers and of its head, in safetensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.nn import functional

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.kernels.packed_linear import Linear
from sparse_autoencoder.subjects.unembedding import Unembedding

# GELU works in place: allocating a tensor of the MLP's width would cost a tenth of a layer's time.


def _gelu(x: Tensor, approximate: str = "none") -> Tensor:
    return functional.gelu(x, approximate=approximate, out=x)  # type: ignore[call-arg]


_tanh_gelu = partial(_gelu, approximate="tanh")


def _quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


# GPT2Config.activation_function -> the function's name in kernels/packed_linear.py, and the function. Several names
# stand for the same function.
ACTIVATIONS: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "gelu_new": ("tanh_gelu", _tanh_gelu),
    "gelu_fast": ("tanh_gelu", _tanh_gelu),
    "gelu_pytorch_tanh": ("tanh_gelu", _tanh_gelu),
    "gelu_python_tanh": ("tanh_gelu", _tanh_gelu),
    "gelu": ("gelu", _gelu),
    "gelu_python": ("gelu", _gelu),
    "quick_gelu": ("quick_gelu", _quick_gelu),
    "relu": ("relu", functional.relu),
    "silu": ("silu", functional.silu),
    "swish": ("silu", functional.silu),
    "tanh": ("tanh", torch.tanh),
}


@dataclass(frozen=True)
class Gpt2Config:
    """The entries of config.json that matter before the final layer norm."""

    n_layers: int
    n_heads: int
    d_model: int
    d_mlp: int
    vocab_size: int
    max_positions: int
    norm_eps: float
    activation: str
    scale_by_head_width: bool
    scale_by_layer: bool
    tied: bool = True  # whether the unembedding is the token embedding

    @classmethod
    def from_json(cls, config: Mapping[str, Any], path: Path) -> Gpt2Config:
        """Read config.json's content, with Hugging Face's defaults for optional entries; `path` is for messages.

        Raises SaescopeError if an entry is missing, malformed or not supported.
        """
        try:
            d_model = int(config["n_embd"])
            read = cls(
                n_layers=int(config["n_layer"]),
                n_heads=int(config["n_head"]),
                d_model=d_model,
                d_mlp=int(config.get("n_inner") or 4 * d_model),
                vocab_size=int(config["vocab_size"]),
                max_positions=int(config["n_positions"]),
                norm_eps=float(config.get("layer_norm_epsilon", 1e-5)),
                activation=str(config.get("activation_function", "gelu_new")),
                scale_by_head_width=bool(config.get("scale_attn_weights", True)),
                scale_by_layer=bool(config.get("scale_attn_by_inverse_layer_idx", False)),
                tied=bool(config.get("tie_word_embeddings", True)),
            )
        except KeyError as error:
            raise SaescopeError(
                f"{path} lacks {error.args[0]}, which a GPT-2 model needs: take the model's own"
            ) from error
        except (TypeError, ValueError) as error:
            raise SaescopeError(f"{path} holds something that is no number where one is needed: {error}") from error
        if read.activation not in ACTIVATIONS:
            raise SaescopeError(
                f"{path} asks for the activation function '{read.activation}', which isn't supported for GPT-2; "
                f"known are {', '.join(ACTIVATIONS)}"
            )
        if min(read.n_layers, read.n_heads, d_model) < 1 or d_model % read.n_heads:
            raise SaescopeError(
                f"{path} describes no GPT-2: {read.n_layers} layers, and a width of {d_model} for {read.n_heads} heads"
            )
        return read

    def attention_scale(self, layer_index: int) -> float:
        """The factor of the attention scores (query times key) in one layer."""
        scale = 1 / math.sqrt(self.d_model // self.n_heads) if self.scale_by_head_width else 1.0
        return scale / (layer_index + 1) if self.scale_by_layer else scale


@dataclass(frozen=True)
class LayerNorm:
    """Weight and bias of a layer norm, both [width]."""

    weight: Tensor
    bias: Tensor

    def apply(self, x: Tensor, eps: float) -> Tensor:
        """Normalise [tokens, width] over the last axis."""
        return functional.layer_norm(x, self.weight.shape, self.weight, self.bias, eps)


@dataclass(frozen=True)
class Layer:
    """The weights of one layer (transformer block)."""

    ln_1: LayerNorm
    attn_qkv: Linear  # queries, keys and values in one multiplication, [d_model, 3 * d_model]
    attn_out: Linear
    ln_2: LayerNorm
    mlp_in: Linear
    mlp_out: Linear


@dataclass(frozen=True)
class Head:
    """What turns the residual stream after the last layer into predictions."""

    norm: LayerNorm
    norm_eps: float
    unembedding: Tensor  # [vocab, d_model]

    @classmethod
    def load(
        cls,
        config: Gpt2Config,
        files: list[Path],
        device: str,
        dtype: torch.dtype,
        token_embedding: Tensor | None = None,
    ) -> Head:
        """Load it from the safetensors `files`; a `token_embedding` of this type is shared, if the model's are tied."""
        weights = open_tensors(files, device, dtype)
        norm = LayerNorm(weights.get("ln_f.weight", config.d_model), weights.get("ln_f.bias", config.d_model))
        if config.tied and token_embedding is not None and token_embedding.dtype == dtype:
            return cls(norm, config.norm_eps, token_embedding)
        name = "wte.weight" if config.tied else "lm_head.weight"
        return cls(norm, config.norm_eps, weights.get(name, config.vocab_size, config.d_model))

    def logits(self, residual: Tensor) -> Tensor:
        """[nodes, vocab] of the residual stream [nodes, d_model], in the head's own type."""
        return self.norm.apply(residual.to(self.norm.weight.dtype), self.norm_eps) @ self.unembedding.t()


def load_layer(weights: Weights, config: Gpt2Config, layer_index: int) -> Layer:
    """The weights of one layer."""
    d_model, d_mlp = config.d_model, config.d_mlp

    def norm(name: str) -> LayerNorm:
        key = f"h.{layer_index}.{name}"
        return LayerNorm(weights.get(f"{key}.weight", d_model), weights.get(f"{key}.bias", d_model))

    def linear(name: str, n_in: int, n_out: int) -> Linear:
        key = f"h.{layer_index}.{name}"
        return Linear(weights.get(f"{key}.weight", n_in, n_out), weights.get(f"{key}.bias", n_out))

    return Layer(
        ln_1=norm("ln_1"),
        attn_qkv=linear("attn.c_attn", d_model, 3 * d_model),
        attn_out=linear("attn.c_proj", d_model, d_model),
        ln_2=norm("ln_2"),
        mlp_in=linear("mlp.c_fc", d_model, d_mlp),
        mlp_out=linear("mlp.c_proj", d_mlp, d_model),
    )


def load_unembedding(weights: Weights, config: Gpt2Config, token_embedding: Tensor) -> Unembedding | None:
    """None if the files, as those of a model without a head, lack a part of it."""
    if not weights.has("ln_f.weight") or not (config.tied or weights.has("lm_head.weight")):
        return None
    weight = token_embedding if config.tied else weights.get("lm_head.weight", config.vocab_size, config.d_model)
    return Unembedding(weight, weights.get("ln_f.weight", config.d_model), centres=True)


class Weights:
    """The tensors of open safetensors files, by GPT-2's names.

    In the files, names may begin with `transformer.`, as in models that were saved with a language-model head.
    """

    def __init__(self, files: Mapping[Path, Any], device: str, dtype: torch.dtype) -> None:
        keys = [(path, key) for path, file in files.items() for key in list(file.keys())]
        self._where = {key.removeprefix("transformer."): (path, key) for path, key in keys}
        self._files = files
        self._device = device
        self._dtype = dtype

    def has(self, name: str) -> bool:
        """Whether there is such a tensor."""
        return name in self._where

    def get(self, name: str, *shape: int) -> Tensor:
        """A copy of a tensor on the device; SaescopeError if it is missing or of another shape."""
        if name not in self._where:
            raise SaescopeError(
                f"{', '.join(map(str, self._files))} lacks the tensor {name}, which the model's config asks for: "
                "the files aren't this model's, or not all of it"
            )
        path, key = self._where[name]
        stored: Tensor = self._files[path].get_tensor(key)
        if tuple(stored.shape) != shape:
            raise SaescopeError(
                f"the tensor {key} in {path} has shape {list(stored.shape)}, but the model's config asks for "
                f"{list(shape)}: the config or the weights are another model's"
            )
        # a copy, because the tensor is an unaligned view of the memory-mapped file
        return stored.to(device=self._device, dtype=self._dtype, copy=True).contiguous()


def open_tensors(files: list[Path], device: str, dtype: torch.dtype) -> Weights:
    """Open safetensors files; SaescopeError if one is damaged."""
    opened = {}
    for path in files:
        try:
            opened[path] = safe_open(path, framework="pt")
        except (SafetensorError, OSError) as error:
            raise SaescopeError(f"{path} is no whole safetensors file ({error}): download the model again") from error
    return Weights(opened, device, dtype)
