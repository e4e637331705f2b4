"""The subject model: tokens in, activations at one hook point out.

Hook points have the names of OpenAI's autoencoders: a location and a layer (`hook_points.py`). GPT-2 models run on our
own code (`gpt2.py`), all other models on TransformerLens, against which our own code is tested too.
"""

from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.kernels.device_checks import check_device, models_fit
from sparse_autoencoder.subjects.gpt2 import Gpt2
from sparse_autoencoder.subjects.gpt2_weights import Gpt2Config
from sparse_autoencoder.subjects.hook_points import check_layer
from sparse_autoencoder.subjects.hugging_face_hub import CONFIG_FILE, read_config, weight_files
from sparse_autoencoder.subjects.prefix_tree import PrefixTree
from sparse_autoencoder.subjects.transformer_lens_subject import BridgeSubject
from sparse_autoencoder.subjects.unembedding import Unembedding

IMPLEMENTATIONS = ("auto", "gpt2", "transformer_lens")


class Subject(Protocol):
    """A language model that computes activations at a hook point."""

    name: str
    n_layers: int
    vocab_size: int
    max_positions: int
    device: torch.device
    dtype: torch.dtype
    many_threads: bool  # whether several threads may use it at once

    def width(self, location: str, layer_index: int) -> int:
        """Width of the vectors at a hook point. Raises SaescopeError if there is no such hook point."""

    def activations(self, tokens: Tensor, location: str, layer_index: int) -> Tensor:
        """The activations at a hook point, [batch, pos, width], for tokens [batch, pos] (int64).

        Raises SaescopeError for an unknown location, a layer that isn't there, or tokens that are too long.
        """


class LanguageModel(Subject, Protocol):
    """A loaded subject model, which also knows what follows its last layer."""

    def unembedding(self) -> Unembedding:
        """Final norm and unembedding, with the loaded weights; NoUnembeddingError if the model has none such."""

    def to_residual(self, vectors: Tensor, location: str, layer_index: int) -> Tensor:
        """What directions [directions, width] at a hook point add to the residual stream: [directions, d_model].

        At most locations they are added to it as they are; in an MLP they go through its output weights first. Raises
        NoUnembeddingError if what follows isn't linear, or isn't known.
        """


def distinct_activations(
    subject: Subject, tokens: Tensor, location: str, layer_index: int
) -> tuple[Tensor, PrefixTree]:
    """Activations per distinct prefix, [nodes, width], and the tree (on the host) that maps windows to nodes.

    A subject other than GPT-2 computes each window completely, so its nodes are all tokens.
    """
    if isinstance(subject, Gpt2):
        return subject.distinct_activations(tokens, location, layer_index)
    hidden = subject.activations(tokens, location, layer_index)
    return hidden.transpose(0, 1).flatten(0, 1), PrefixTree.of_all(*tokens.shape)


def packages_of(subject: Subject) -> tuple[str, ...]:
    """The packages besides torch that compute the subject's activations, for metadata.json."""
    return ("transformers", "transformer-lens") if isinstance(subject, BridgeSubject) else ()


def load_subject(
    folder: Path,
    *,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    implementation: str = "auto",
    last_layer: int | None = None,
) -> LanguageModel:
    """Load the model in `folder` (Hugging Face's layout).

    `implementation`: `gpt2` is our own code, for GPT-2 models in safetensors; `transformer_lens` takes every model that
    TransformerLens knows; `auto` chooses `gpt2` where possible. `last_layer` is the highest layer that will be asked
    for; `gpt2` doesn't load later ones.

    Raises SaescopeError if config or weights are missing, damaged or unsupported, if there is no such layer, or if the
    device can't be used.
    """
    if implementation not in IMPLEMENTATIONS:
        raise SaescopeError(f"there is no implementation '{implementation}'; there are {', '.join(IMPLEMENTATIONS)}")
    check_device(device)
    config = read_config(folder)
    files = weight_files(folder)
    own = config["model_type"] == "gpt2" and files[0].suffix == ".safetensors"
    if implementation == "gpt2" and not own:
        raise SaescopeError(
            f"{folder} can't run as gpt2: that takes a model of type gpt2 in safetensors, and this is of type "
            f"{config['model_type']} in {files[0].suffix} files; choose transformer_lens"
        )
    if implementation == "transformer_lens" or not own:
        subject: LanguageModel = BridgeSubject(folder, config, device=device, dtype=dtype)
        if last_layer is not None:
            check_layer(subject.name, subject.n_layers, last_layer)
        return subject
    gpt2_config = Gpt2Config.from_json(config, folder / CONFIG_FILE)
    if last_layer is not None:
        check_layer(str(folder), gpt2_config.n_layers, last_layer)
    with models_fit(device):
        return Gpt2.load(folder, gpt2_config, files, device=device, dtype=dtype, last_layer=last_layer)
