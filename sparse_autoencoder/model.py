"""The sparse autoencoder, in the form OpenAI published it.

    latents = activation(encoder(x - pre_bias) + latent_bias)
    recons  = decoder(latents) + pre_bias

State dicts of both published families (ReLU: v1, v4; TopK: v5) load and save unchanged. The input is any batch of
vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

NORMALISATION_EPS = 1e-5


class TopK(nn.Module):
    """Keep each row's k largest pre-activations, apply `postact_fn` to them, and set the others to 0."""

    def __init__(self, k: int, postact_fn: nn.Module | None = None) -> None:
        super().__init__()
        if k < 1:
            raise ValueError(f"a TopK activation needs k of at least 1, got {k}")
        self.k = k
        self.postact_fn = postact_fn if postact_fn is not None else nn.ReLU()

    def sparse(self, pre_activations: Tensor) -> tuple[Tensor, Tensor]:
        """The kept activations and their latents' indices, both [..., k], largest pre-activation first."""
        values, indices = torch.topk(pre_activations, k=self.k, dim=-1)
        return self.postact_fn(values), indices

    def forward(self, pre_activations: Tensor) -> Tensor:
        """Dense latents from pre-activations, both [..., n_latents]."""
        values, indices = self.sparse(pre_activations)
        return torch.zeros_like(pre_activations).scatter_(-1, indices, values)

    def to_state(self) -> dict[str, Any]:
        """The checkpoint's `activation_state_dict` entry."""
        return {"k": self.k, "postact_fn": type(self.postact_fn).__name__}


def normalised(x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Centre inputs [..., n_inputs] and divide by their standard deviation; also returns what undoes it."""
    mu = x.mean(dim=-1, keepdim=True)
    centred = x - mu
    std = centred.std(dim=-1, keepdim=True)  # unbiased, as in training
    return centred / (std + NORMALISATION_EPS), {"mu": mu, "std": std}


_POINTWISE: dict[str, type[nn.Module]] = {"ReLU": nn.ReLU, "Identity": nn.Identity}


def _activation_from_state(name: str, state: Mapping[str, Any]) -> nn.Module:
    if name == "TopK":
        return TopK(int(state["k"]), _activation_from_state(str(state.get("postact_fn", "ReLU")), {}))
    if name in _POINTWISE:
        return _POINTWISE[name]()
    raise ValueError(f"unknown activation '{name}' in the autoencoder's state dict; known are TopK, ReLU, Identity")


class Autoencoder(nn.Module):
    """A sparse autoencoder over vectors of width `n_inputs` with `n_latents` latents (features).

    With `normalize`, inputs are centred and divided by their standard deviation (+1e-5) over the last axis before
    encoding, and `decode` undoes it; OpenAI's TopK autoencoders were trained so.
    """

    pre_bias: Tensor  # [n_inputs]
    latent_bias: Tensor  # [n_latents]
    stats_last_nonzero: Tensor  # [n_latents], int64: calls of `forward` since the latent was last active
    latents_activation_frequency: Tensor  # [n_latents], share of training tokens
    latents_mean_square: Tensor  # [n_latents], over training tokens

    def __init__(
        self, n_latents: int, n_inputs: int, activation: nn.Module | None = None, normalize: bool = False
    ) -> None:
        super().__init__()
        self.pre_bias = nn.Parameter(torch.zeros(n_inputs))
        self.encoder = nn.Linear(n_inputs, n_latents, bias=False)
        self.latent_bias = nn.Parameter(torch.zeros(n_latents))
        self.activation = activation if activation is not None else nn.ReLU()
        self.decoder = nn.Linear(n_latents, n_inputs, bias=False)
        self.normalize = normalize
        self.register_buffer("stats_last_nonzero", torch.zeros(n_latents, dtype=torch.long))
        self.register_buffer("latents_activation_frequency", torch.ones(n_latents))
        self.register_buffer("latents_mean_square", torch.zeros(n_latents))

    @property
    def n_latents(self) -> int:
        """How many latents (features) there are."""
        return self.encoder.out_features

    @property
    def n_inputs(self) -> int:
        """Width of the vectors that are encoded."""
        return self.encoder.in_features

    @classmethod
    def from_state_dict(cls, state_dict: Mapping[str, Any], strict: bool = True) -> Autoencoder:
        """Build the autoencoder of a checkpoint; `state_dict` is not changed.

        Besides tensors it may hold `activation` (a name; ReLU if absent) and `activation_state_dict`.
        Whether inputs are normalised isn't stored: as in OpenAI's code, TopK autoencoders normalise, others don't.

        Raises KeyError or RuntimeError when entries are missing, unknown or of the wrong shape.
        """
        tensors = dict(state_dict)
        activation_name = str(tensors.pop("activation", "ReLU"))
        activation = _activation_from_state(activation_name, tensors.pop("activation_state_dict", {}))
        n_latents, n_inputs = tensors["encoder.weight"].shape
        with torch.device("meta"):  # no memory for weights that are replaced below
            autoencoder = cls(n_latents, n_inputs, activation, normalize=activation_name == "TopK")
        # `assign` keeps each tensor's dtype; buffers that a non-strict load lacks need a real value
        autoencoder.load_state_dict(tensors, strict=strict, assign=True)
        for name, buffer in autoencoder.named_buffers():
            if buffer.is_meta:
                setattr(autoencoder, name, torch.zeros(n_latents, dtype=buffer.dtype))
        return autoencoder

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """The checkpoint's entries: all tensors, and the two plain entries that describe the activation."""
        state: dict[str, Any] = super().state_dict(*args, **kwargs)
        prefix = kwargs.get("prefix", "")
        state[f"{prefix}activation"] = type(self.activation).__name__
        if isinstance(self.activation, TopK):
            state[f"{prefix}activation_state_dict"] = self.activation.to_state()
        return state

    def preprocess(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Normalise inputs [..., n_inputs] if this autoencoder does; `info` holds what `decode` needs to undo it."""
        return normalised(x) if self.normalize else (x, {})

    def encode_pre_act(self, x: Tensor, latent_slice: slice = slice(None)) -> Tensor:
        """Pre-activations [..., latents of `latent_slice`] of already normalised inputs [..., n_inputs]."""
        return functional.linear(x - self.pre_bias, self.encoder.weight[latent_slice], self.latent_bias[latent_slice])

    def encode(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Dense latents [..., n_latents] of inputs [..., n_inputs], and the info that `decode` needs."""
        normalised, info = self.preprocess(x)
        latents: Tensor = self.activation(self.encode_pre_act(normalised))
        return latents, info

    def decode(self, latents: Tensor, info: Mapping[str, Tensor] | None = None) -> Tensor:
        """Reconstructions [..., n_inputs] of dense latents [..., n_latents]."""
        recons: Tensor = self.decoder(latents) + self.pre_bias
        if self.normalize:
            if info is None:
                raise ValueError("this autoencoder normalises its inputs: decode needs the info that encode gave")
            recons = recons * info["std"] + info["mu"]
        return recons

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pre-activations, latents and reconstructions of inputs [batch, n_inputs]; counts unused latents."""
        normalised, info = self.preprocess(x)
        pre_activations = self.encode_pre_act(normalised)
        latents = self.activation(pre_activations)
        recons = self.decode(latents, info)
        with torch.no_grad():
            unused = (latents == 0).all(dim=0).to(self.stats_last_nonzero.dtype)
            self.stats_last_nonzero.mul_(unused).add_(1)
        return pre_activations, latents, recons
