"""Activations changed by hand: hooks on TransformerLens, and an autoencoder by its formula in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparse_autoencoder.model import Autoencoder, TopK
from sparse_autoencoder.subjects.hook_points import hook_name
from tests.support.oracle import dense_latents, normalised

Floats = NDArray[np.float64]
ByHand = Callable[[Floats], Floats]  # vectors [pos, width] -> what is added to them


def random_autoencoder(kind: str, width: int, n_latents: int = 40, k: int = 6) -> Autoencoder:
    """A TopK autoencoder that normalises its inputs, or a ReLU one that doesn't; many latents fire on each vector."""
    torch.manual_seed(3)
    activation = TopK(k) if kind == "topk" else nn.ReLU()
    autoencoder = Autoencoder(n_latents, width, activation, normalize=kind == "topk")
    for parameter in autoencoder.parameters():
        nn.init.normal_(parameter, std=0.5)
    return autoencoder.requires_grad_(False)


def state_of(autoencoder: Autoencoder) -> dict[str, Any]:
    """Its state dict, in float64 arrays."""
    state = autoencoder.state_dict()
    return {name: value.double().numpy() if isinstance(value, Tensor) else value for name, value in state.items()}


def setting(state: dict[str, Any], feature: int, target: float) -> ByHand:
    """Set a feature to a target: s (target - z_f) d_f at each vector."""
    return lambda vectors: _along(state, vectors, feature, target - dense_latents(state, vectors)[:, feature])


def raising(state: dict[str, Any], feature: int, by: float) -> ByHand:
    """Raise a feature: s by d_f at each vector."""
    return lambda vectors: _along(state, vectors, feature, np.full(len(vectors), by))


def only_at(position: int, change: ByHand) -> ByHand:
    """The change at one position."""

    def changed(vectors: Floats) -> Floats:
        found = np.zeros_like(vectors)
        found[position] = change(vectors)[position]
        return found

    return changed


def from_on(first: int, change: ByHand) -> ByHand:
    """The change from a position on."""

    def changed(vectors: Floats) -> Floats:
        found = change(vectors)
        found[:first] = 0
        return found

    return changed


def _along(state: dict[str, Any], vectors: Floats, feature: int, by: Floats) -> Floats:
    deviation = normalised(vectors)[2] if state["activation"] == "TopK" else np.ones((len(vectors), 1))
    direction: Floats = state["decoder.weight"][:, feature]
    return by[:, None] * deviation * direction


class HookedByHand:
    """A model on TransformerLens, whose vectors at a hook point can be changed."""

    def __init__(self, folder: Path) -> None:
        from transformer_lens.model_bridge import TransformerBridge  # takes seconds

        self._bridge = TransformerBridge.boot_transformers(str(folder), device="cpu", dtype=torch.float32)

    def vectors(self, window: Sequence[int], location: str, layer: int) -> Floats:
        """The vectors at a hook point, [pos, width]."""
        hook = hook_name(location, layer)
        with torch.inference_mode():
            _, cache = self._bridge.run_with_cache(torch.tensor([window]), names_filter=[hook])
        vectors: Tensor = cache[hook]
        found: Floats = np.asarray(vectors[0].numpy(), np.float64)
        return found

    def logits(self, window: Sequence[int], location: str, layer: int, change: ByHand) -> Tensor:
        """The logits [pos, vocab] with a change. Between attention and MLP it is added to what the attention gives."""
        difference = torch.from_numpy(change(self.vectors(window, location, layer))).float()
        where = hook_name("resid_delta_attn" if location == "resid_post_attn" else location, layer)

        def add(vectors: Tensor, hook: Any) -> Tensor:
            return vectors + difference

        with torch.inference_mode():
            logits = self._bridge.run_with_hooks(torch.tensor([window]), fwd_hooks=[(where, add)], return_type="logits")
        found: Tensor = logits[0]
        return found
