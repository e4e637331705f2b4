"""Subject models on TransformerLens, for every architecture that it supports."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.subjects.hook_points import check_request, hook_name
from sparse_autoencoder.subjects.unembedding import NoUnembeddingError, Unembedding, gain_of
from sparse_autoencoder.utils.forbid_subprocesses import ProcessRefusedError, no_processes

_SAME = 0.03  # of the largest entry: sums in bfloat16 differ by less


class BridgeSubject:
    """A subject model on TransformerLens's TransformerBridge, with unprocessed weights."""

    many_threads = False  # it adds hooks to its modules while it computes

    def __init__(
        self, folder: Path, config: dict[str, Any], *, device: str = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        try:
            with no_processes():  # TransformerLens might install packages, which only the user may do
                # imported here because it takes seconds, and runs on GPT-2 don't need it
                from transformer_lens.model_bridge import TransformerBridge

                self._bridge = TransformerBridge.boot_transformers(str(folder), device=device, dtype=dtype)
        except ProcessRefusedError as error:
            raise SaescopeError(
                f"TransformerLens can't load the model in {folder}, of type {config['model_type']}: {error}; if the "
                "model needs what that does, do it yourself before the run, or take another model"
            ) from error
        # an unknown architecture or a damaged file can raise almost anything in the libraries below
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
        self._adds_attention: set[int] = set()  # layers for which that was checked

    def width(self, location: str, layer_index: int) -> int:
        """Width of the vectors at a hook point, as the model gives them for one token.

        Raises SaescopeError if the model has no such hook point.
        """
        check_request(self, (1, 1), location, layer_index)
        if location == "mlp_post_act" and self._has_experts(layer_index):
            raise SaescopeError(
                f"layer {layer_index} of the model in {self.name} has a mixture of experts, each with activations of "
                "its own, so there is no one mlp_post_act: choose another location, such as resid_delta_mlp"
            )
        token = torch.zeros((1, 1), dtype=torch.int64)
        found = self.activations(token, location, layer_index)
        if found.ndim != 3 or found.shape[:2] != token.shape:
            raise SaescopeError(
                f"the model in {self.name} gives {list(found.shape)} for one token at {location}, where a vector is "
                "needed: choose another location"
            )
        return found.shape[-1]

    def _has_experts(self, layer_index: int) -> bool:
        block = f"blocks.{layer_index}."
        return any("expert" in name.lower() for name, _ in self._bridge.named_modules() if block in f"{name}.")

    @torch.inference_mode()
    def activations(self, tokens: Tensor, location: str, layer_index: int) -> Tensor:
        """The activations at a hook point, [batch, pos, width], for tokens [batch, pos] (int64).

        Raises SaescopeError for an unknown location, a layer that isn't there, tokens that are too long, or a model
        that has no such hook point.
        """
        check_request(self, tokens.shape, location, layer_index)
        hook = hook_name(location, layer_index)
        if hook not in self._bridge.hook_dict:
            raise SaescopeError(
                f"the model in {self.name} has no {location} (hook point {hook}): choose another location"
            )
        # the cache also holds aliases of the hook point
        _, cache = self._bridge.run_with_cache(
            tokens.to(self.device), names_filter=[hook], stop_at_layer=layer_index + 1, return_cache_object=False
        )
        found: Tensor = cache[hook]
        return found

    @torch.inference_mode()
    def logits_adding(self, tokens: Tensor, location: str, layer_index: int, difference: Tensor | None) -> Tensor:
        """The logits [batch, pos, vocab] with `difference` [batch, pos, width] added to the vectors at a hook point.

        The hook between attention and MLP is at the MLP's input, which the residual stream goes past. So there the
        difference is added to what the attention gives; SaescopeError if that isn't the same.
        """
        hooks: list[tuple[Any, Any]] = []
        if difference is not None:
            if location == "resid_post_attn":
                self._check_adds_attention(layer_index)
                location = "resid_delta_attn"
            hooks.append((hook_name(location, layer_index), _adding(difference)))
        logits: Tensor = self._bridge.run_with_hooks(tokens.to(self.device), fwd_hooks=hooks, return_type="logits")
        return logits

    def zeros(self, *shape: int) -> Tensor:
        """Zeros of the model's type, on its device."""
        return torch.zeros(shape, dtype=self.dtype, device=self.device)

    def _check_adds_attention(self, layer_index: int) -> None:
        """SaescopeError unless what the attention gives is added, as it is, to what the MLP then gets."""
        if layer_index in self._adds_attention:
            return
        tokens = torch.zeros((1, 2), dtype=torch.int64, device=self.device)
        between, attention = (hook_name(name, layer_index) for name in ("resid_post_attn", "resid_delta_attn"))
        before = self.activations(tokens, "resid_post_attn", layer_index)
        added = torch.linspace(-1, 1, before.numel(), device=self.device).view_as(before) * before.abs().max()
        after: list[Tensor] = []

        def keep(vectors: Tensor, hook: Any) -> Tensor:
            after.append(vectors.clone())
            return vectors

        known = {attention, between} <= self._bridge.hook_dict.keys()
        if known:
            hooks: list[tuple[Any, Any]] = [(attention, _adding(added.to(self.dtype))), (between, keep)]
            self._bridge.run_with_hooks(tokens, fwd_hooks=hooks, return_type="logits")
        if not after or (after[-1] - before - added).abs().max() > _SAME * before.abs().max():
            raise SaescopeError(
                f"in the model in {self.name} what the attention of layer {layer_index} gives isn't simply added to "
                "the residual stream before the MLP, so vectors between the two can't be changed"
            )
        self._adds_attention.add(layer_index)

    @torch.inference_mode()
    def unembedding(self) -> Unembedding:
        """Final norm and unembedding; NoUnembeddingError if the model has none, or one of another kind."""
        norm, head = getattr(self._bridge, "ln_final", None), getattr(self._bridge, "unembed", None)
        weight = getattr(getattr(head, "original_component", None), "weight", None)
        if norm is None or not isinstance(weight, Tensor) or weight.ndim != 2:
            raise NoUnembeddingError(f"the model in {self.name} has no final norm followed by an unembedding")
        try:
            gain, centres = gain_of(norm, weight[0])
        except NoUnembeddingError:
            raise
        except Exception as error:  # what another family calls its final norm may take something else
            raise NoUnembeddingError(f"the final norm of the model in {self.name} can't be read ({error})") from error
        return Unembedding(weight.detach(), gain, centres)

    @torch.inference_mode()
    def to_residual(self, vectors: Tensor, location: str, layer_index: int) -> Tensor:
        """See Subject.to_residual."""
        if location != "mlp_post_act":
            return vectors
        block = self._bridge.blocks[layer_index]
        out = getattr(getattr(block, "mlp", None), "out", None)
        if out is None or hasattr(block, "ln2_post"):
            raise NoUnembeddingError(
                f"in the model in {self.name} what leaves the MLP of layer {layer_index} isn't added to the residual "
                "stream by one matrix, so a direction in it has no fixed effect"
            )
        rows = torch.cat([vectors, vectors.new_zeros(1, vectors.shape[1])]).to(self.device, self.dtype)
        found: Tensor = out(rows[None])[0]
        return found[:-1] - found[-1]


def _adding(difference: Tensor) -> Callable[..., Tensor]:
    """A hook that adds this."""

    def added(vectors: Tensor, hook: Any) -> Tensor:
        return vectors + difference

    return added


def _own(model: torch.nn.Module) -> None:
    """Copy weights that are views of a memory-mapped file: writing to the file would change the running model."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.device.type == "cpu":
            tensor.data = tensor.data.clone()
