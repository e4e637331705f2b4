"""A linear layer with fixed weights, fused with what follows it: x @ weight + bias, then an activation or a sum.

On a CPU the weights are packed once in the order that oneDNN's kernels want. Otherwise each call would reorder them,
which takes up to a fifth of its time. The activation is applied while the result is in the cache. On other devices, and
in float64, this is torch.addmm.
"""

from collections.abc import Callable

import torch
from torch import Tensor

_PACKED_DTYPES = (torch.float32, torch.bfloat16)
# Activations that oneDNN can fuse: its name and variant of each.
_FUSED = {"gelu": ("gelu", "none"), "tanh_gelu": ("gelu", "tanh"), "relu": ("relu", "")}
_ROWS = 4096  # the batch size for which the weights are packed; any batch size works


def can_pack(weight: Tensor) -> bool:
    """Whether oneDNN can pack this weight: it is on a CPU, which has instructions for its precision."""
    if weight.device.type != "cpu" or weight.dtype not in _PACKED_DTYPES or not torch._C._has_mkldnn:
        return False
    # these operators are for torch's own compiler, so they are not documented
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
        """x @ weight + bias, plus `onto` if given: [rows, n_out] from [rows, n_in]; `onto` is [rows, n_out]."""
        if len(x) == 0:  # oneDNN refuses empty batches
            return x.new_empty(0, self.n_out)
        if self._is_packed:
            if onto is None:
                return self._pointwise(x, "none", "")
            return torch.ops.mkldnn._linear_pointwise.binary(x, onto, self._weight, self._bias, "add")  # type: ignore[no-any-return]
        if onto is None:
            return torch.addmm(self._bias, x, self._weight)
        total = onto + self._bias
        # the product is added in place, which saves two passes over memory
        return torch.addmm(total, x, self._weight, out=total)

    def without_bias(self, x: Tensor) -> Tensor:
        """x @ weight: [rows, n_out] from [rows, n_in]."""
        return self.apply(x) - self._bias

    def activated(self, x: Tensor, activation: str, function: Callable[[Tensor], Tensor]) -> Tensor:
        """activation(x @ weight + bias); fused if oneDNN knows the activation's name, else computed by `function`."""
        if self._is_packed and len(x) > 0 and activation in _FUSED:
            return self._pointwise(x, *_FUSED[activation])
        return function(self.apply(x))

    def _pointwise(self, x: Tensor, activation: str, variant: str) -> Tensor:
        found: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, activation, [], variant)
        return found
