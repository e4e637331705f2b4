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

    @classmethod
    def from_state_dict(cls, state_dict: Mapping[str, Any], strict: bool = True) -> TopK:
        """Build it from a checkpoint's `activation_state_dict`; KeyError without `k`, with `strict` also for others."""
        if strict and (unknown := sorted(state_dict.keys() - {"k", "postact_fn"})):
            raise KeyError(f"unknown entries of a TopK activation: {', '.join(unknown)}")
        return cls(int(state_dict["k"]), activation_of(str(state_dict.get("postact_fn", "ReLU"))))

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """`k`, and the class name of `postact_fn`."""
        state: dict[str, Any] = super().state_dict(*args, **kwargs)
        prefix = _prefix(args, kwargs)
        state[f"{prefix}k"] = self.k
        state[f"{prefix}postact_fn"] = type(self.postact_fn).__name__
        return state


ACTIVATIONS_CLASSES: dict[str, type[nn.Module]] = {"ReLU": nn.ReLU, "Identity": nn.Identity, "TopK": TopK}


def activation_of(name: str, state: Mapping[str, Any] | None = None, strict: bool = True) -> nn.Module:
    """The activation function of this name, with a checkpoint's `activation_state_dict`; ValueError for others."""
    if name == "TopK":
        return TopK.from_state_dict(state or {}, strict)
    if name in ACTIVATIONS_CLASSES:
        return ACTIVATIONS_CLASSES[name]()
    raise ValueError(
        f"unknown activation '{name}' in the autoencoder's state dict; known are {', '.join(ACTIVATIONS_CLASSES)}"
    )


def LN(x: Tensor, eps: float = NORMALISATION_EPS) -> tuple[Tensor, Tensor, Tensor]:  # noqa: N802, OpenAI's name
    """Layer norm without weights over the last axis of inputs [..., n_inputs]; also returns mean and deviation."""
    mu = x.mean(dim=-1, keepdim=True)
    centred = x - mu
    std = centred.std(dim=-1, keepdim=True)  # unbiased, as in training
    return centred / (std + eps), mu, std


def normalised(x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Centre inputs [..., n_inputs] and divide by their standard deviation; also returns what undoes it."""
    centred, mu, std = LN(x)
    return centred, {"mu": mu, "std": std}


class TiedTranspose(nn.Module):
    """The transpose of a linear map, with the same weights: the decoder of a tied autoencoder."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = linear

    @property
    def weight(self) -> Tensor:
        """[in_features, out_features] of the linear map."""
        return self.linear.weight.t()

    @property
    def bias(self) -> Tensor | None:
        """The linear map's, which must be None."""
        return self.linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """[..., out_features] of the linear map to its [..., in_features]."""
        if self.bias is not None:
            raise ValueError("a linear map with a bias has no transpose")
        return functional.linear(x, self.weight)


def _prefix(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """The prefix in the arguments of `nn.Module.state_dict`."""
    return str(kwargs.get("prefix", args[1] if len(args) > 1 else ""))


def _new_statistics(n_latents: int) -> dict[str, Tensor]:
    """The statistics of an autoencoder that saw nothing yet."""
    return {
        "stats_last_nonzero": torch.zeros(n_latents, dtype=torch.long),
        "latents_activation_frequency": torch.ones(n_latents),
        "latents_mean_square": torch.zeros(n_latents),
    }


class Autoencoder(nn.Module):
    """A sparse autoencoder over vectors of width `n_inputs` with `n_latents` latents (features).

    With `normalize`, inputs are centred and divided by their standard deviation (+1e-5) over the last axis before
    encoding, and `decode` undoes it; OpenAI's TopK autoencoders were trained so. With `tied`, the decoder's weights are
    the encoder's.
    """

    pre_bias: Tensor  # [n_inputs]
    latent_bias: Tensor  # [n_latents]
    stats_last_nonzero: Tensor  # [n_latents], int64: calls of `forward` since the latent was last active
    latents_activation_frequency: Tensor  # [n_latents], share of training tokens
    latents_mean_square: Tensor  # [n_latents], over training tokens

    decoder: nn.Linear | TiedTranspose

    def __init__(
        self,
        n_latents: int,
        n_inputs: int,
        activation: nn.Module | None = None,
        tied: bool = False,
        normalize: bool = False,
    ) -> None:
        super().__init__()
        self.pre_bias = nn.Parameter(torch.zeros(n_inputs))
        self.encoder = nn.Linear(n_inputs, n_latents, bias=False)
        self.latent_bias = nn.Parameter(torch.zeros(n_latents))
        self.activation = activation if activation is not None else nn.ReLU()
        self.decoder = TiedTranspose(self.encoder) if tied else nn.Linear(n_latents, n_inputs, bias=False)
        self.normalize = normalize
        for name, value in _new_statistics(n_latents).items():
            self.register_buffer(name, value)

    @property
    def n_latents(self) -> int:
        """How many latents (features) there are."""
        return self.encoder.out_features

    @property
    def n_inputs(self) -> int:
        """Width of the vectors that are encoded."""
        return self.encoder.in_features

    @classmethod
    def from_state_dict(cls, state_dict: Mapping[str, Any], strict: bool = True, copy: bool = True) -> Autoencoder:
        """Build the autoencoder of a checkpoint, in float32; `state_dict` is not changed.

        Besides tensors it may hold `activation` (a name; ReLU if absent) and `activation_state_dict`. A tied one has
        `decoder.linear.weight`. Whether inputs are normalised isn't stored: as in OpenAI's code, TopK autoencoders
        normalise, others don't. Without `copy` the tensors that are float32 already are shared.

        Raises KeyError or RuntimeError when entries are missing, unknown or of the wrong shape.
        """
        tensors = dict(state_dict)
        name = str(tensors.pop("activation", "ReLU"))
        activation = activation_of(name, tensors.pop("activation_state_dict", {}), strict)
        for repeated in ("activation.k", "activation.postact_fn"):  # state dicts made in memory have these besides
            tensors.pop(repeated, None)
        n_latents, n_inputs = tensors["encoder.weight"].shape
        with torch.device("meta"):  # no memory for weights that are replaced below
            made = cls(n_latents, n_inputs, activation, "decoder.linear.weight" in tensors, name == "TopK")
        for key, tensor in tensors.items():
            if isinstance(tensor, Tensor) and tensor.is_floating_point():
                tensors[key] = tensor.to(torch.float32, copy=copy)
        made.load_state_dict(tensors, strict=strict, assign=True)
        for buffer, value in _new_statistics(n_latents).items():  # those that a non-strict load lacks
            if getattr(made, buffer).is_meta:
                setattr(made, buffer, value)
        return made

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """The checkpoint's entries: all tensors, and the two plain entries that describe the activation."""
        state: dict[str, Any] = super().state_dict(*args, **kwargs)
        prefix = _prefix(args, kwargs)
        state[f"{prefix}activation"] = type(self.activation).__name__
        state[f"{prefix}activation_state_dict"] = self.activation.state_dict()
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
