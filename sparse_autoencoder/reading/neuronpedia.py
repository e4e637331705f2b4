"""Where Neuronpedia shows the same feature, for autoencoders that it has, too: those of OpenAI with TopK.

The names of its sets are known from its public pages and from what others link to. Whether feature 12 there is
feature 12 here was not verified.
"""

from __future__ import annotations

from sparse_autoencoder.paths import N_LAYERS, v5_32k, v5_128k
from sparse_autoencoder.runs.metadata import RunMetadata

SITE = "https://www.neuronpedia.org/gpt2-small"
_WIDTHS = {"32k": v5_32k, "128k": v5_128k}
_LOCATIONS = {
    "resid_post_mlp": "res_post",
    "resid_post_attn": "res_mid",
    "resid_delta_attn": "att",
    "resid_delta_mlp": "mlp",
}
_SETS = {
    family(location, layer): f"{layer}-{name}_{width}-oai"
    for width, family in _WIDTHS.items()
    for location, name in _LOCATIONS.items()
    for layer in range(N_LAYERS)
}
"""Neuronpedia's name of each set, by the autoencoder's address."""


def address_at_neuronpedia(metadata: RunMetadata, feature_id: int) -> str | None:
    """The address of a feature's page; None unless the run's autoencoder came from OpenAI's address."""
    name = _SETS.get(metadata.autoencoder.get("address", "")) if metadata.subject["name"] == "gpt2" else None
    return None if name is None else f"{SITE}/{name}/{feature_id}"
