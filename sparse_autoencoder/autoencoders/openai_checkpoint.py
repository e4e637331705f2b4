"""Loads an autoencoder from a checkpoint file in OpenAI's format, without trusting the file.

Pickles can run code, so `weights_only` restricts them to tensors and plain values. The entries, their shapes and their
values are checked.
"""

import os
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparse_autoencoder.autoencoders.other_formats import ADVICE, kind_of_file, kind_of_names
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.model import Autoencoder, TopK

_ZIP_MAGIC = b"PK\x03\x04"
_LEGACY_MAGIC = b"\x80\x02\x8a\x0a"  # torch's older format begins with this pickled number
_PICKLE_MAGIC = b"\x80"
_TAIL_BYTES = 100
_STATISTICS = ("stats_last_nonzero", "latents_activation_frequency", "latents_mean_square")
_PLAIN = ("activation", "activation_state_dict", "activation.k", "activation.postact_fn")
_POINTWISE = {"relu": "ReLU", "identity": "Identity"}


def load_autoencoder(path: Path, n_inputs: int | None = None, activation: str | None = None) -> Autoencoder:
    """Load the autoencoder in float32 on the CPU; `n_inputs` is the width that it must have (None: any).

    `activation` is for a file that names none: `relu`, `identity` or `topk:K`; by default that is ReLU.

    Raises SaescopeError if the file is truncated, isn't a checkpoint, would run code, lacks a tensor, holds one of
    the wrong shape or values that aren't finite, or is of another width.
    """
    state = _state_dict(path)
    if activation is not None:
        state |= _activation_entries(path, state, activation)
    _check_tensors(path, state)
    width = state["encoder.weight"].shape[1]
    if n_inputs is not None and width != n_inputs:
        raise SaescopeError(
            f"the autoencoder in {path} reads vectors of width {width}, but the subject model gives {n_inputs}; "
            "choose an autoencoder that was trained on this model and location"
        )
    try:
        autoencoder = Autoencoder.from_state_dict(state, strict=False, copy=False)  # the statistics may be missing
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise _unsound(path, f"its entries don't fit together ({error})") from error
    if isinstance(autoencoder.activation, TopK) and autoencoder.activation.k > autoencoder.n_latents:
        raise _unsound(path, f"it keeps {autoencoder.activation.k} latents of only {autoencoder.n_latents}")
    return autoencoder


def names_activation(path: Path) -> bool:
    """Whether the checkpoint says which activation function its autoencoder has; errors as of load_autoencoder."""
    return "activation" in _state_dict(path)


def checked_activation(text: str) -> tuple[str, int | None]:
    """A user's activation as its class's name, and k for TopK; SaescopeError if it is none."""
    name, _, k = text.lower().partition(":")
    if name == "topk" and k.isascii() and k.isdecimal() and 0 < int(k) < 2**31:
        return "TopK", int(k)
    if text.lower() in _POINTWISE:
        return _POINTWISE[text.lower()], None
    raise SaescopeError(f"--activation can't be {text!r}; it is relu, identity, or topk with its k, as in topk:32")


def _activation_entries(path: Path, state: dict[str, Any], text: str) -> dict[str, Any]:
    """The entries of a state dict that stand for the activation the user gave; SaescopeError if the file differs."""
    name, k = checked_activation(text)
    entries = {"activation": name, "activation_state_dict": {} if k is None else {"k": k, "postact_fn": "ReLU"}}
    if "activation" in state:
        inner = state.get("activation_state_dict")
        own_k = inner.get("k") if isinstance(inner, dict) else None
        if state["activation"] != name or (k is not None and own_k != k):
            shown = f"{state['activation']} with k {own_k}" if own_k is not None else state["activation"]
            raise SaescopeError(f"--activation {text} isn't that of {path}, which is {shown}: leave it out")
        return {}
    return entries


def _unsound(path: Path, why: str) -> SaescopeError:
    return SaescopeError(f"{path} doesn't hold an autoencoder in OpenAI's format: {why}")


def _state_dict(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
            file.seek(-min(_TAIL_BYTES, path.stat().st_size), os.SEEK_END)
            tail = file.read()
        whole_zip = zipfile.is_zipfile(path)
    except OSError as error:
        raise SaescopeError(f"the checkpoint {path} can't be read: {error.strerror}") from error
    if kind := kind_of_file(path):
        raise SaescopeError(f"{path} is {kind}, which can't be read yet: {ADVICE}")
    if magic == _ZIP_MAGIC and not whole_zip:
        raise _truncated(path)
    try:
        # memory-mapped, so that processes share one copy; only the zip format allows that
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=whole_zip)
    except MemoryError:
        raise
    except pickle.UnpicklingError as error:
        # The message names the function that torch refuses to call (a builtin such as eval without its module). If the
        # file ends within that name, it was only cut off. torch then leaves out the last character, where it expects a
        # newline.
        wants = re.search(r"GLOBAL ((?:[\w.]+\.)?(\w+))\s", str(error))
        if wants and not tail[:-1].endswith(wants[2].encode()):
            raise SaescopeError(
                f"{path} is refused: loading it would run code ({wants[1]}); a checkpoint holds tensors only"
            ) from error
        raise _unreadable(path, magic) from error
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise _unreadable(path, magic) from error
    if not isinstance(state, dict):
        raise _unsound(path, f"it holds a {type(state).__name__} instead of named tensors")
    return state


def _truncated(path: Path) -> SaescopeError:
    return SaescopeError(f"the checkpoint {path} is truncated or damaged; copy or download it again")


def _unreadable(path: Path, magic: bytes) -> SaescopeError:
    if magic in (_ZIP_MAGIC, _LEGACY_MAGIC):
        return _truncated(path)
    if magic[:1] == _PICKLE_MAGIC:
        return SaescopeError(f"{path} isn't a PyTorch checkpoint but another pickle, which may run code; it is refused")
    return SaescopeError(f"{path} isn't a PyTorch checkpoint; give a .pt file that torch.save wrote")


def _check_tensors(path: Path, state: dict[str, Any]) -> None:
    encoder = state.get("encoder.weight")
    if "pre_bias" not in state and (kind := kind_of_names(map(str, state))):
        raise SaescopeError(f"{path} is {kind}, which can't be read yet: {ADVICE}")
    if not isinstance(encoder, Tensor) or encoder.ndim != 2 or 0 in encoder.shape:
        found = ", ".join(str(key) for key in list(state)[:12]) or "nothing"
        raise _unsound(path, f"it needs a matrix 'encoder.weight' [n_latents, n_inputs]; it has {found}")
    n_latents, n_inputs = encoder.shape
    shapes = {
        "encoder.weight": (n_latents, n_inputs),
        **_decoder_shape(path, state),
        "pre_bias": (n_inputs,),
        "latent_bias": (n_latents,),
    }
    for name, shape in shapes.items():
        _check_tensor(path, name, state.get(name), shape)
    unknown = [str(key) for key in state if key not in (*shapes, *_STATISTICS, *_PLAIN)]
    if unknown:
        raise _unsound(path, f"it has entries that are unknown: {', '.join(unknown[:12])}")


def _decoder_shape(path: Path, state: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """The decoder's entry and its shape; a tied autoencoder has the encoder's weights in the decoder's place."""
    encoder = state["encoder.weight"]
    if "decoder.linear.weight" not in state:
        return {"decoder.weight": (encoder.shape[1], encoder.shape[0])}
    tied = state["decoder.linear.weight"]
    if isinstance(tied, Tensor) and tied.shape == encoder.shape and not torch.equal(tied, encoder):
        raise _unsound(path, "its 'decoder.linear.weight' isn't its 'encoder.weight', as it is in a tied autoencoder")
    return {"decoder.linear.weight": tuple(encoder.shape)}


def _check_tensor(path: Path, name: str, tensor: object, shape: tuple[int, ...]) -> None:
    if not isinstance(tensor, Tensor):
        raise _unsound(path, f"it has no tensor '{name}'")
    if tuple(tensor.shape) != shape:
        raise _unsound(path, f"'{name}' has shape {list(tensor.shape)} where 'encoder.weight' asks for {list(shape)}")
    if not tensor.is_floating_point() or tensor.layout != torch.strided:
        raise _unsound(path, f"'{name}' isn't a dense tensor of floating-point numbers")
    low, high = torch.aminmax(tensor)  # NaN if any value is NaN; makes no copy
    if not (torch.isfinite(low) and torch.isfinite(high)):
        raise _unsound(path, f"'{name}' holds values that are infinite or not a number")
