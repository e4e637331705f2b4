"""Says what an autoencoder is that saescope can't read yet: other projects' formats, by their files and tensor names.

So that nobody is told that a sound file is damaged. Importing this file doesn't import torch.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from pathlib import Path

ADVICE = "saescope reads OpenAI's format: a .pt file with pre_bias, encoder.weight, latent_bias and decoder.weight"

_BY_FILES = (  # files that a folder holds together -> what it is; the first that fits counts
    ({"cfg.json", "sae_weights.safetensors"}, "an autoencoder of SAELens"),
    ({"cfg.json", "sae.safetensors"}, "an autoencoder of EleutherAI's sparsify"),
    ({"config.json", "ae.pt"}, "an autoencoder of dictionary_learning"),
    ({"config.json", "params.safetensors"}, "an autoencoder of Gemma Scope 2"),
    ({"params.npz"}, "an autoencoder of Gemma Scope"),
    ({"hyperparams.json"}, "an autoencoder of Llama Scope"),
)
_BY_NAMES = (  # tensors that a file holds together -> what it is; the first that fits counts
    ({"W_enc", "threshold"}, "a JumpReLU autoencoder, as those of Gemma Scope and SAELens"),
    ({"w_enc", "threshold"}, "an autoencoder of Gemma Scope 2"),
    ({"W_enc", "gate_bias"}, "a gated autoencoder, as those of SAELens"),
    ({"W_enc", "r_mag"}, "a gated autoencoder, as those of SAELens"),
    ({"W_enc", "W_dec"}, "an autoencoder in the form of SAELens or Qwen Scope"),
    ({"encoder.weight", "encoder.bias", "W_dec"}, "an autoencoder of EleutherAI's sparsify"),
    ({"encoder_linear.weight"}, "an autoencoder of Goodfire"),
    ({"encoder.weight", "bias"}, "an autoencoder of dictionary_learning"),
    ({"encoder.weight", "encoder.bias"}, "an autoencoder of dictionary_learning or Llama Scope"),
)
_SAFETENSORS_HEADER_BYTES = 8
_MAX_HEADER_BYTES = 2**24


def kind_of_folder(folder: Path) -> str | None:
    """What an autoencoder's folder is, if it is in a known format."""
    names = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
    return next((kind for files, kind in _BY_FILES if files <= names), None)


def kind_of_names(names: Iterable[str]) -> str | None:
    """What an autoencoder with tensors of these names is, if it is in a known format."""
    found = set(names)
    return next((kind for tensors, kind in _BY_NAMES if tensors <= found), None)


def kind_of_file(path: Path) -> str | None:
    """What a file is that isn't a PyTorch checkpoint, if it is in a known format."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            arrays = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
        if arrays:
            kind = kind_of_names(arrays)
            return f"{kind}, in NumPy's format" if kind else f"a NumPy archive with the arrays {', '.join(arrays[:8])}"
        return None
    names = _safetensors_names(path)
    if names is None:
        return None
    return f"{kind_of_names(names) or 'a file with the tensors ' + ', '.join(names[:8])}, in safetensors"


def _safetensors_names(path: Path) -> list[str] | None:
    """The names of a safetensors file's tensors; None for other files. The format begins with its header's length."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_SAFETENSORS_HEADER_BYTES), "little")
            if not 2 <= length <= _MAX_HEADER_BYTES:
                return None
            header = json.loads(file.read(length))
    except (OSError, ValueError, RecursionError):
        return None
    return [name for name in header if name != "__metadata__"] if isinstance(header, dict) else None
