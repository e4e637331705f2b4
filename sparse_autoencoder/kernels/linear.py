"""Multiplication with weights that don't change, and what follows it at once: x @ weight + bias, an activation, a sum.

On a CPU the weights are reordered once for oneDNN's kernels, which otherwise happens in every call and takes up to a
fifth of its time; and an activation is applied to what is still in the cache. Elsewhere, and in float64, this is
torch.addmm. This file knows no model.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_PACKED_DTYPES = (torch.float32, torch.bfloat16)
# Activations that oneDNN applies itself: its name, and the variant.
_FUSED = {"gelu": ("gelu", "none"), "tanh_gelu": ("gelu", "tanh"), "relu": ("relu", "")}
_ROWS = 4096  # rows at a time that the order of the weights is chosen for; any number works


def can_pack(weight: Tensor) -> bool:
    """Whether oneDNN can take this weight: on a CPU, in a precision that it has instructions for."""
    if weight.device.type != "cpu" or weight.dtype not in _PACKED_DTYPES or not torch._C._has_mkldnn:
        return False
    # operators that torch's own compiler calls, so not part of its documented interface
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise") or not hasattr(torch.ops.mkldnn, "_reorder_linear_weight"):
        return False
    return weight.dtype != torch.bfloat16 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class Linear:
    """x @ weight + bias with weight [n_in, n_out] and bias [n_out]."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.n_out = weight.shape[1]
        self._bias = bias
        self._is_packed = can_pack(weight)
        self._weight = weight
        if self._is_packed:
            self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.t().contiguous(), _ROWS)

    def apply(self, x: Tensor, onto: Tensor | None = None) -> Tensor:
        """Map [rows, n_in] to [rows, n_out], and add `onto`, [rows, n_out], if it is given."""
        if len(x) == 0:  # which oneDNN doesn't take
            return x.new_empty(0, self.n_out)
        if self._is_packed:
            if onto is None:
                return self._pointwise(x, "none", "")
            return torch.ops.mkldnn._linear_pointwise.binary(x, onto, self._weight, self._bias, "add")  # type: ignore[no-any-return]
        if onto is None:
            return torch.addmm(self._bias, x, self._weight)
        total = onto + self._bias
        # the multiplication adds to what is there already, which spares two passes over memory
        return torch.addmm(total, x, self._weight, out=total)

    def activated(self, x: Tensor, activation: str, function: Callable[[Tensor], Tensor]) -> Tensor:
        """The activation of what x is mapped to; by `function`, unless oneDNN has an activation of that name."""
        if self._is_packed and len(x) > 0 and activation in _FUSED:
            return self._pointwise(x, *_FUSED[activation])
        return function(self.apply(x))

    def _pointwise(self, x: Tensor, activation: str, variant: str) -> Tensor:
        found: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, activation, [], variant)
        return found
