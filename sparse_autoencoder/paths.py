"""The addresses of OpenAI's published autoencoders for GPT-2 small.

Each family is a function from (location, layer) to the address of a checkpoint. The file layout is that of the
public container `az://openaipublic/sparse-autoencoder`. Nothing is downloaded here (autoencoders/checkpoints.py does).
"""

from collections.abc import Callable

Family = Callable[[str, int], str]

N_LAYERS = 12
_CONTAINER = "az://openaipublic/sparse-autoencoder/gpt2-small"
_RELU_LOCATIONS = ("mlp_post_act", "resid_delta_mlp")
_TOPK_LOCATIONS = ("resid_delta_attn", "resid_delta_mlp", "resid_post_attn", "resid_post_mlp")


def v1(location: str, layer_index: int) -> str:
    """Address of the first release: ReLU, 32,768 latents, at `mlp_post_act` or `resid_delta_mlp`."""
    return _address(location, layer_index, "v1", "", _RELU_LOCATIONS)


def v4(location: str, layer_index: int) -> str:
    """Address of the release with fewer dead latents: ReLU, 32,768 latents, at `mlp_post_act` or `resid_delta_mlp`."""
    return _address(location, layer_index, "v4", "_v4", _RELU_LOCATIONS)


def v5_32k(location: str, layer_index: int) -> str:
    """Address of the TopK autoencoder (k = 32) with 2^15 latents, at one of the four residual-stream locations."""
    return _address(location, layer_index, "v5_32k", "_v5_32k", _TOPK_LOCATIONS)


def v5_128k(location: str, layer_index: int) -> str:
    """Address of the TopK autoencoder (k = 32) with 2^17 latents, at one of the four residual-stream locations."""
    return _address(location, layer_index, "v5_128k", "_v5_128k", _TOPK_LOCATIONS)


FAMILIES: dict[str, Family] = {"v1": v1, "v4": v4, "v5_32k": v5_32k, "v5_128k": v5_128k}
LOCATIONS_OF = {"v1": _RELU_LOCATIONS, "v4": _RELU_LOCATIONS, "v5_32k": _TOPK_LOCATIONS, "v5_128k": _TOPK_LOCATIONS}


def _address(location: str, layer_index: int, family: str, suffix: str, locations: tuple[str, ...]) -> str:
    if location not in locations:
        raise ValueError(f"{family} has no autoencoder at location '{location}'; it has {', '.join(locations)}")
    if not 0 <= layer_index < N_LAYERS:
        raise ValueError(f"{family} has no layer {layer_index}; GPT-2 small has layers 0 to {N_LAYERS - 1}")
    return f"{_CONTAINER}/{location}{suffix}/autoencoders/{layer_index}.pt"
