"""Names of hook points: the places in a language model (a location and a layer) whose activations an autoencoder takes.

Importing this file doesn't import torch, so that `--help` can list the locations at once.
"""

from collections.abc import Sequence
from typing import Protocol

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.utils.did_you_mean import suggestion

# Location, as in OpenAI's checkpoints -> hook name within a TransformerLens block.
_HOOKS = {
    "mlp_post_act": "mlp.hook_post",
    "resid_delta_attn": "hook_attn_out",
    "resid_post_attn": "hook_resid_mid",
    "resid_delta_mlp": "hook_mlp_out",
    "resid_post_mlp": "hook_resid_post",
}
LOCATIONS = tuple(_HOOKS)


class HookedModel(Protocol):
    """The attributes of a model that `check_request` needs."""

    name: str
    n_layers: int
    max_positions: int


def hook_name(location: str, layer_index: int) -> str:
    """The TransformerLens name of a hook point, such as `blocks.6.hook_resid_post`.

    Raises SaescopeError for an unknown location.
    """
    if location not in _HOOKS:
        close = suggestion(location, LOCATIONS)
        raise SaescopeError(
            f"there is no location '{location}' in a model{close}; the locations are {', '.join(LOCATIONS)}"
        )
    return f"blocks.{layer_index}.{_HOOKS[location]}"


def check_layer(model: str, n_layers: int, layer_index: int) -> None:
    """Raise SaescopeError unless a model of `n_layers` layers has layer `layer_index`."""
    if not 0 <= layer_index < n_layers:
        raise SaescopeError(
            f"the model in {model} has no layer {layer_index}: it has {n_layers} layers, 0 to {n_layers - 1}"
        )


def check_request(model: HookedModel, tokens_shape: Sequence[int], location: str, layer_index: int) -> None:
    """Raise SaescopeError unless `model` has this hook point and can take tokens of this shape, [batch, pos]."""
    hook_name(location, layer_index)
    check_layer(model.name, model.n_layers, layer_index)
    if len(tokens_shape) != 2:
        raise SaescopeError(f"tokens must be of shape [batch, pos], not {list(tokens_shape)}")
    if tokens_shape[1] > model.max_positions:
        raise SaescopeError(
            f"windows of {tokens_shape[1]} tokens are too long for the model in {model.name}, which sees at most "
            f"{model.max_positions}: choose shorter windows"
        )
