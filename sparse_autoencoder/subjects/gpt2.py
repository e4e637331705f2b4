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

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.kernels.attention import causal_attention
from sparse_autoencoder.kernels.copy_to_device import copy_to_device
from sparse_autoencoder.subjects.gpt2_weights import (
    ACTIVATIONS,
    Gpt2Config,
    Layer,
    load_layer,
    load_unembedding,
    open_tensors,
)
from sparse_autoencoder.subjects.hook_points import check_request
from sparse_autoencoder.subjects.prefix_tree import PrefixTree
from sparse_autoencoder.subjects.unembedding import NoUnembeddingError, Unembedding


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
        self.token_embedding = token_embedding  # [vocab, d_model]
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
        weights = open_tensors(files, device, dtype)
        token_embedding = weights.get("wte.weight", config.vocab_size, config.d_model)
        return cls(
            str(folder),
            config,
            token_embedding,
            weights.get("wpe.weight", config.max_positions, config.d_model),
            [load_layer(weights, config, layer_index) for layer_index in range(n_loaded)],
            load_unembedding(weights, config, token_embedding),
        )

    @property
    def is_whole(self) -> bool:
        """Whether all layers are loaded."""
        return len(self._layers) == self.n_layers

    def completed(self, files: list[Path]) -> Gpt2:
        """The same model with all layers: those that are loaded, and the others from `files`, as in `load`."""
        weights = open_tensors(files, str(self.device), self.dtype)
        rest = [load_layer(weights, self.config, number) for number in range(len(self._layers), self.n_layers)]
        return Gpt2(
            self.name,
            self.config,
            self.token_embedding,
            self._position_embedding,
            [*self._layers, *rest],
            self._unembedding,
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
        self._check_loaded(tokens, location, layer_index)
        on_host = PrefixTree.of(tokens)
        tree = on_host.to(self.device)
        residual = self._embedded(tokens, on_host, tree)
        for earlier in range(layer_index):
            residual = self._run_layer(earlier, tree, residual, "resid_post_mlp")
        return self._run_layer(layer_index, tree, residual, location), on_host

    @torch.inference_mode()
    def at_places(
        self, tokens: Tensor, places: Collection[tuple[str, int]]
    ) -> tuple[dict[tuple[str, int], Tensor], PrefixTree]:
        """`distinct_activations` at several hook points (location, layer), in one pass through the model."""
        for location, layer_index in places:
            self._check_loaded(tokens, location, layer_index)
        on_host = PrefixTree.of(tokens)
        tree = on_host.to(self.device)
        residual = self._embedded(tokens, on_host, tree)
        found: dict[tuple[str, int], Tensor] = {}
        for layer_index in range(max(layer_index for _location, layer_index in places) + 1):

            def keep(location: str, vectors: Tensor, layer_index: int = layer_index) -> Tensor:
                if (location, layer_index) in places:
                    found[location, layer_index] = vectors
                return vectors

            residual = self.run_whole_layer(layer_index, residual, partial(self._attend, layer_index, tree), keep)
        return found, on_host

    def run_whole_layer(
        self,
        layer_index: int,
        residual: Tensor,
        attend: Callable[[Tensor], Tensor],
        at: Callable[[str, Tensor], Tensor],
    ) -> Tensor:
        """Run one whole layer on the residual stream [nodes, d_model].

        `attend` makes of queries, keys and values [nodes, 3 * d_model] what the heads give, [nodes, d_model]. `at` gets
        each location's vectors, and returns those to go on with.
        """
        layer = self._layers[layer_index]
        attended = attend(layer.attn_qkv.apply(layer.ln_1.apply(residual, self.config.norm_eps)))
        residual = residual + at("resid_delta_attn", layer.attn_out.apply(attended))
        return self.after_attention(layer_index, at("resid_post_attn", residual), at)

    def after_attention(self, layer_index: int, residual: Tensor, at: Callable[[str, Tensor], Tensor]) -> Tensor:
        """Run the rest of a layer on the residual stream between attention and MLP; for `at` see run_whole_layer."""
        layer = self._layers[layer_index]
        name, function = ACTIVATIONS[self.config.activation]
        hidden = layer.mlp_in.activated(layer.ln_2.apply(residual, self.config.norm_eps), name, function)
        residual = residual + at("resid_delta_mlp", layer.mlp_out.apply(at("mlp_post_act", hidden)))
        return at("resid_post_mlp", residual)

    def _check_loaded(self, tokens: Tensor, location: str, layer_index: int) -> None:
        check_request(self, tokens.shape, location, layer_index)
        if layer_index >= len(self._layers):
            raise SaescopeError(
                f"layer {layer_index} of {self.name} isn't in memory: it was loaded up to layer {len(self._layers) - 1}"
            )

    def _embedded(self, tokens: Tensor, on_host: PrefixTree, tree: PrefixTree) -> Tensor:
        """The residual stream before the first layer, [nodes, d_model]."""
        nodes = copy_to_device(on_host.flat(tokens.cpu()), self.device)
        return self.embedded(nodes, tree.first % tokens.shape[1])

    def embedded(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """The residual stream before the first layer, [nodes, d_model], of tokens [nodes] at positions [nodes]."""
        residual = self.token_embedding[tokens]
        residual += self._position_embedding[positions]
        return residual

    def _run_layer(self, layer_index: int, tree: PrefixTree, residual: Tensor, location: str) -> Tensor:
        """Run one layer on the residual stream [nodes, d_model], as far as `location` needs it."""
        layer, eps = self._layers[layer_index], self.config.norm_eps
        mixed = self._attend(layer_index, tree, layer.attn_qkv.apply(layer.ln_1.apply(residual, eps)))
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

    def _attend(self, layer_index: int, tree: PrefixTree, qkv: Tensor) -> Tensor:
        """Causal self-attention, without the output projection: [nodes, d_model] of [nodes, 3 * d_model]."""
        qkv = tree.per_window(qkv)
        batch, positions, _ = qkv.shape
        d_model, n_heads = self.config.d_model, self.config.n_heads
        apart = qkv.view(batch, positions, 3, n_heads, d_model // n_heads)
        query, key, value = apart.permute(2, 0, 3, 1, 4)
        mixed = causal_attention(query, key, value, self.config.attention_scale(layer_index))
        return tree.flat(mixed.transpose(1, 2).flatten(2))
