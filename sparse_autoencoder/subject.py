"""The subject model: tokens in, the activations at one hook point out.

Hook points are named as OpenAI's autoencoders name them, by a location and a layer (see `hooks.py`). GPT-2 models run
on our own code (`gpt2.py`), all others on TransformerLens, which is also the reference that our own code is tested
against. This file knows nothing of texts, tokenizers or autoencoders.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from sparse_autoencoder.batch_layout import Layout
from sparse_autoencoder.devices import check_device, models_fit
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.gpt2 import Gpt2, Gpt2Config
from sparse_autoencoder.hooks import LOCATIONS, check_layer, check_request, hook_name
from sparse_autoencoder.hub import CONFIG_FILE, read_config, weight_files
from sparse_autoencoder.no_processes import ProcessRefusedError, no_processes

IMPLEMENTATIONS = ("auto", "gpt2", "transformer_lens")

__all__ = [
    "IMPLEMENTATIONS",
    "LOCATIONS",
    "BridgeSubject",
    "Subject",
    "distinct_activations",
    "hook_name",
    "load_subject",
]


class Subject(Protocol):
    """A language model that can be asked for its activations at a hook point."""

    name: str
    n_layers: int
    vocab_size: int
    max_positions: int
    device: torch.device
    dtype: torch.dtype
    many_threads: bool  # whether several may ask it at once

    def width(self, location: str) -> int:
        """Width of the vectors at `location`. Raises SaescopeError if there is no such location."""

    def activations(self, tokens: Tensor, location: str, layer_index: int) -> Tensor:
        """What the model computes at a hook point for tokens [batch, pos] int64: [batch, pos, width].

        Raises SaescopeError for an unknown location, a layer that isn't there, or tokens that are too long.
        """


def distinct_activations(subject: Subject, tokens: Tensor, location: str, layer_index: int) -> tuple[Tensor, Layout]:
    """What a subject's `activations` are, with what windows begin with alike only once, where it computes that once.

    [nodes, width], and where each node is, on the host.
    """
    if isinstance(subject, Gpt2):
        return subject.distinct_activations(tokens, location, layer_index)
    hidden = subject.activations(tokens, location, layer_index)
    return hidden.transpose(0, 1).flatten(0, 1), Layout.of_all(*tokens.shape)


def packages_of(subject: Subject) -> tuple[str, ...]:
    """The packages beside torch whose code computes a subject's activations."""
    return ("transformers", "transformer-lens") if isinstance(subject, BridgeSubject) else ()


def load_subject(
    folder: Path,
    *,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    implementation: str = "auto",
    last_layer: int | None = None,
) -> Subject:
    """Load the model in `folder` (Hugging Face's layout).

    `implementation`: `gpt2` is our own code, for the GPT-2 family with safetensors; `transformer_lens` takes every
    model that TransformerLens knows; `auto` takes the first where it applies. `last_layer`: the highest layer that will
    be asked for; `gpt2` leaves later blocks on disk.

    Raises SaescopeError when config or weights are missing, damaged or of an unsupported kind, there is no such layer,
    or the device can't be used.
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
        subject: Subject = BridgeSubject(folder, config, device=device, dtype=dtype)
        if last_layer is not None:
            check_layer(subject.name, subject.n_layers, last_layer)
        return subject
    gpt2_config = Gpt2Config.from_json(config, folder / CONFIG_FILE)
    if last_layer is not None:
        check_layer(str(folder), gpt2_config.n_layers, last_layer)
    with models_fit(device):
        return Gpt2.load(folder, gpt2_config, files, device=device, dtype=dtype, last_layer=last_layer)


class BridgeSubject:
    """Any model that TransformerLens supports, through its TransformerBridge with unprocessed weights."""

    many_threads = False  # it hooks into its modules while it computes

    def __init__(
        self, folder: Path, config: dict[str, Any], *, device: str = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        try:
            with no_processes():  # TransformerLens would install packages, which is the user's business
                # imported here because it takes seconds, which runs on GPT-2 needn't cost
                from transformer_lens.model_bridge import TransformerBridge

                self._bridge = TransformerBridge.boot_transformers(str(folder), device=device, dtype=dtype)
        except ProcessRefusedError as error:
            raise SaescopeError(
                f"TransformerLens can't load the model in {folder}, of type {config['model_type']}: {error}; if the "
                "model needs what that does, do it yourself before the run, or take another model"
            ) from error
        # an unknown architecture or a damaged file shows as almost any error: the libraries below define none
        except Exception as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise SaescopeError(
                f"TransformerLens can't load the model in {folder}, of type {config['model_type']} ({reason}): "
                "take a model that it supports, with complete files"
            ) from error
        _own(self._bridge)
        self.name = str(folder)
        self.n_layers = int(self._bridge.cfg.n_layers)
        self.vocab_size = int(config["vocab_size"])
        self.max_positions = int(config["n_positions"])
        self.device = torch.device(device)
        self.dtype = dtype

    def width(self, location: str) -> int:
        """Width of the vectors at `location`. Raises SaescopeError if there is no such location."""
        hook_name(location, 0)
        width = self._bridge.cfg.d_mlp if location == "mlp_post_act" else self._bridge.cfg.d_model
        if width is None:
            raise SaescopeError(f"the model in {self.name} has no one width at {location}: choose another location")
        return int(width)

    @torch.inference_mode()
    def activations(self, tokens: Tensor, location: str, layer_index: int) -> Tensor:
        """What the model computes at a hook point for tokens [batch, pos] int64: [batch, pos, width].

        Raises SaescopeError for an unknown location, a layer that isn't there, tokens that are too long, or a model
        that has no such hook point.
        """
        check_request(self, tokens.shape, location, layer_index)
        hook = hook_name(location, layer_index)
        if hook not in self._bridge.hook_dict:
            raise SaescopeError(
                f"the model in {self.name} has no {location} (hook point {hook}): choose another location"
            )
        # the cache also holds the hook point's other names, so it is picked by key
        _, cache = self._bridge.run_with_cache(
            tokens.to(self.device), names_filter=[hook], stop_at_layer=layer_index + 1, return_cache_object=False
        )
        found: Tensor = cache[hook]
        return found


def _own(model: torch.nn.Module) -> None:
    """Copy weights that are views of a mapped file: if somebody wrote to it, the model would change while it runs."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.device.type == "cpu":
            tensor.data = tensor.data.clone()
