"""GPT-2 up to one hook point, in plain PyTorch: the fast implementation for subject models of the GPT-2 family.

Only what the hook point needs is computed: no later layer, no final layer norm, no unembedding, and of the hooked layer
only the part before the hook. (Final norm and unembedding are kept for logit effects, which follow from weights alone.)
All windows of a batch have the same length, so there is no padding, and the only mask is the causal one. Prefixes that
windows share, such as BOS, are computed once (`prefix_tree.py`). Weights are read directly from a Hugging Face folder;
importing transformers would take longer than a short run.

The architecture is that of Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", with the names
and options of Hugging Face's GPT2Config.
"""

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
from sparse_autoencoder.kernels.attention import causal_attention
from sparse_autoencoder.kernels.copy_to_device import copy_to_device
from sparse_autoencoder.kernels.packed_linear import Linear
from sparse_autoencoder.subjects.hook_points import check_request
from sparse_autoencoder.subjects.prefix_tree import PrefixTree
from sparse_autoencoder.subjects.unembedding import NoUnembeddingError, Unembedding

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


class Gpt2:
    """A GPT-2 of which the layers 0 to `last_layer` are loaded. Satisfies the protocol `subject.Subject`."""

    many_threads = True

    def __init__(
        self,
        name: str,
        config: Gpt2Config,
        token_embedding: Tensor,
        position_embedding: Tensor,
        layers: list[Layer],
        unembedding: Unembedding | None = None,
    ) -> None:
        self.name = name
        self.config = config
        self.n_layers = config.n_layers
        self.vocab_size = config.vocab_size
        self.max_positions = config.max_positions
        self.device = token_embedding.device
        self.dtype = token_embedding.dtype
        self._token_embedding = token_embedding  # [vocab, d_model]
        self._position_embedding = position_embedding  # [max_positions, d_model]
        self._layers = layers
        self._unembedding = unembedding

    @classmethod
    def load(
        cls,
        folder: Path,
        config: Gpt2Config,
        files: list[Path],
        *,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        last_layer: int | None = None,
    ) -> Gpt2:
        """Load the embeddings and the layers up to `last_layer` (default: all) from the safetensors `files`.

        Raises SaescopeError if a file is damaged, or a tensor is missing or has another shape than `config` says.
        """
        n_loaded = config.n_layers if last_layer is None else last_layer + 1
        weights = _open_tensors(files, device, dtype)
        token_embedding = weights.get("wte.weight", config.vocab_size, config.d_model)
        return cls(
            str(folder),
            config,
            token_embedding,
            weights.get("wpe.weight", config.max_positions, config.d_model),
            [_load_layer(weights, config, layer_index) for layer_index in range(n_loaded)],
            _load_unembedding(weights, config, token_embedding),
        )

    def unembedding(self) -> Unembedding:
        """Final norm and unembedding; NoUnembeddingError if the model's files lack them."""
        if self._unembedding is None:
            raise NoUnembeddingError(f"the files of {self.name} have no final layer norm, or no unembedding")
        return self._unembedding

    @torch.inference_mode()
    def to_residual(self, vectors: Tensor, location: str, layer_index: int) -> Tensor:
        """What directions [directions, width] at a hook point add to the residual stream: [directions, d_model]."""
        if location != "mlp_post_act":
            return vectors
        return self._layers[layer_index].mlp_out.without_bias(vectors.to(self.device, self.dtype))

    def width(self, location: str, layer_index: int) -> int:
        """Width of the vectors at a hook point. Raises SaescopeError if there is no such hook point."""
        check_request(self, (1, 1), location, layer_index)
        return self.config.d_mlp if location == "mlp_post_act" else self.config.d_model

    @torch.inference_mode()
    def activations(self, tokens: Tensor, location: str, layer_index: int) -> Tensor:
        """The activations at `location` of layer `layer_index`: [batch, pos, width].

        `tokens`: [batch, pos] int64, on any device, at most `max_positions` long.
        Raises SaescopeError for an unknown location, a layer that isn't there, or tokens that are too long.
        """
        flat, tree = self.distinct_activations(tokens, location, layer_index)
        return tree.to(self.device).per_window(flat)

    @torch.inference_mode()
    def distinct_activations(self, tokens: Tensor, location: str, layer_index: int) -> tuple[Tensor, PrefixTree]:
        """The same per distinct prefix, [nodes, width], and the tree (on the host) that maps windows to nodes."""
        check_request(self, tokens.shape, location, layer_index)
        if layer_index >= len(self._layers):
            raise SaescopeError(
                f"layer {layer_index} of {self.name} isn't in memory: it was loaded up to layer {len(self._layers) - 1}"
            )
        on_host = PrefixTree.of(tokens)
        tree = on_host.to(self.device)
        residual = self._token_embedding[copy_to_device(on_host.flat(tokens.cpu()), self.device)]
        residual += self._position_embedding[tree.first % tokens.shape[1]]
        for earlier in range(layer_index):
            residual = self._run_layer(earlier, tree, residual, "resid_post_mlp")
        return self._run_layer(layer_index, tree, residual, location), on_host

    def _run_layer(self, layer_index: int, tree: PrefixTree, residual: Tensor, location: str) -> Tensor:
        """Run one layer on the residual stream [nodes, d_model], as far as `location` needs it."""
        layer, eps = self._layers[layer_index], self.config.norm_eps
        mixed = self._attend(layer_index, tree, layer.ln_1.apply(residual, eps))
        if location == "resid_delta_attn":
            return layer.attn_out.apply(mixed)
        residual = layer.attn_out.apply(mixed, onto=residual)
        if location == "resid_post_attn":
            return residual
        name, function = ACTIVATIONS[self.config.activation]
        hidden = layer.mlp_in.activated(layer.ln_2.apply(residual, eps), name, function)
        if location == "mlp_post_act":
            return hidden
        return layer.mlp_out.apply(hidden, onto=None if location == "resid_delta_mlp" else residual)

    def _attend(self, layer_index: int, tree: PrefixTree, x: Tensor) -> Tensor:
        """Causal self-attention on normalised inputs, without the output projection: [nodes, d_model]."""
        qkv = tree.per_window(self._layers[layer_index].attn_qkv.apply(x))
        batch, positions, _ = qkv.shape
        d_model, n_heads = self.config.d_model, self.config.n_heads
        apart = qkv.view(batch, positions, 3, n_heads, d_model // n_heads)
        query, key, value = apart.permute(2, 0, 3, 1, 4)
        mixed = causal_attention(query, key, value, self.config.attention_scale(layer_index))
        return tree.flat(mixed.transpose(1, 2).flatten(2))


def _load_layer(weights: _Weights, config: Gpt2Config, layer_index: int) -> Layer:
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


def _load_unembedding(weights: _Weights, config: Gpt2Config, token_embedding: Tensor) -> Unembedding | None:
    """None if the files, as those of a model without a head, lack a part of it."""
    if not weights.has("ln_f.weight") or not (config.tied or weights.has("lm_head.weight")):
        return None
    weight = token_embedding if config.tied else weights.get("lm_head.weight", config.vocab_size, config.d_model)
    return Unembedding(weight, weights.get("ln_f.weight", config.d_model), centres=True)


class _Weights:
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


def _open_tensors(files: list[Path], device: str, dtype: torch.dtype) -> _Weights:
    opened = {}
    for path in files:
        try:
            opened[path] = safe_open(path, framework="pt")
        except (SafetensorError, OSError) as error:
            raise SaescopeError(f"{path} is no whole safetensors file ({error}): download the model again") from error
    return _Weights(opened, device, dtype)
