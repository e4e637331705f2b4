"""Language models of every kind that TransformerLens supports, up to one hook point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.subjects.hook_points import check_request, hook_name
from sparse_autoencoder.utils.no_subprocesses import ProcessRefusedError, no_processes


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
