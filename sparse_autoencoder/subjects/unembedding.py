"""What a language model does after its last layer: the final norm and the unembedding, as plain weights.

From these follows what a direction in the residual stream does to the logits (directions/logit_effects.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sparse_autoencoder.errors import SaescopeError

_TOLERANCE = 1e-2  # relative; weights may be bfloat16
_LARGE = 1e3  # inputs of this size, for which a norm's epsilon doesn't matter


class NoUnembeddingError(SaescopeError):
    """A model lacks what logit effects are computed from; the message is a sentence for users."""


@dataclass(frozen=True)
class Unembedding:
    """Final norm and unembedding: logits = weight @ (gain * n(r) + bias), with n the norm of the residual stream r."""

    weight: Tensor  # [vocab, d_model]
    gain: Tensor  # [d_model]
    centres: bool  # whether the norm subtracts the mean of r, as LayerNorm does and RMSNorm doesn't


def gain_of(norm: Callable[[Tensor], Tensor], example: Tensor) -> tuple[Tensor, bool]:
    """A norm's gain [width], and whether it subtracts the mean; `example` [width] has the type and the device.

    It is found from what the norm makes of two vectors, so it doesn't matter how a family stores its gain (Gemma's is
    1 + weight). Raises NoUnembeddingError for what is neither LayerNorm nor RMSNorm.
    """
    width = len(example)
    steps = torch.arange(width, dtype=torch.float64, device=example.device)
    first, second = (_LARGE * (1.5 + torch.sin(steps * step + step)) for step in (1.0, 2.3))
    odd = [_odd_part(norm, vector.to(example.dtype)) for vector in (first, second)]
    for centres in (False, True):
        shapes = [_normalised(vector.to(example.dtype).double(), centres) for vector in (first, second)]
        # where a normalised number is near 0, the other vector tells the gain
        weights = [shape**2 for shape in shapes]
        gain = sum(o * s for o, s in zip(odd, shapes, strict=True)) / (weights[0] + weights[1]).clamp(min=1e-12)
        error = max(float((gain * s - o).abs().max()) for o, s in zip(odd, shapes, strict=True))
        if error <= _TOLERANCE * max(float(o.abs().max()) for o in odd):
            return gain, centres
    raise NoUnembeddingError("the model's final norm is neither a LayerNorm nor an RMSNorm, so a direction has no gain")


def _odd_part(norm: Callable[[Tensor], Tensor], vector: Tensor) -> Tensor:
    """The norm of a vector without the bias."""
    rows = torch.stack([vector, -vector])[None]
    found = norm(rows)[0].double()
    return (found[0] - found[1]) / 2


def _normalised(vector: Tensor, centres: bool) -> Tensor:
    if centres:
        vector = vector - vector.mean()
    return vector / vector.square().mean().sqrt()
