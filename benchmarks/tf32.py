"""TF32 on a CPU, which has none: the library's multiplications of float32 with both operands rounded before.

TensorFloat-32 keeps 10 of float32's 23 bits of mantissa; a tensor core multiplies two such numbers exactly and adds up
in float32. Rounding is to the nearest, ties away from zero, as PTX's cvt.rna.tf32.f32 does it. The library is wrapped
from outside; nothing in it knows. A GPU may be a little nearer to float32 than this: its fused attention may leave
weights unrounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

import torch
from torch import Tensor
from torch.nn import functional

from sparse_autoencoder.autoencoders import latents
from sparse_autoencoder.kernels.linear import Linear

_HALF, _KEPT = 1 << 12, -1 << 13  # of the last bit that is kept; the bits that are


def rounded(x: Tensor) -> Tensor:
    """The nearest numbers that TF32 has, of float32 numbers of any shape."""
    return ((x.view(torch.int32) + _HALF) & _KEPT).view(torch.float32)


@contextmanager
def emulated() -> Iterator[None]:
    """Round the operands of the library's multiplications meanwhile; weights when their models are loaded."""
    make, apply, activated = Linear.__init__, Linear.apply, Linear.activated

    def make_rounded(self: Linear, weight: Tensor, bias: Tensor) -> None:
        make(self, rounded(weight), bias)

    def apply_rounded(self: Linear, x: Tensor, onto: Tensor | None = None) -> Tensor:
        return apply(self, rounded(x), onto)

    def activated_rounded(self: Linear, x: Tensor, name: str, function: Callable[[Tensor], Tensor]) -> Tensor:
        return activated(self, rounded(x), name, function)

    with ExitStack() as stack:
        for owner, name, wrapper in (
            (Linear, "__init__", make_rounded),
            (Linear, "apply", apply_rounded),
            (Linear, "activated", activated_rounded),
            (functional, "scaled_dot_product_attention", _attention),
            (latents, "can_screen", lambda _weight: False),  # only CPUs do that, for exact float32
        ):
            stack.enter_context(mock.patch.object(owner, name, wrapper))
        yield


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """functional.scaled_dot_product_attention, as far as the library uses it, step by step."""
    scores = rounded(query) @ rounded(key).transpose(-2, -1) * (scale or 1 / math.sqrt(query.shape[-1]))
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -torch.inf)
    return rounded(scores.softmax(-1)) @ rounded(value)
