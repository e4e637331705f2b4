"""Directions of length 1."""

import torch
from torch import Tensor

_AT_ONCE = 8192  # so that the float64 copy stays small


def of_length_1(directions: Tensor) -> Tensor:
    """Directions [n, width] divided by their length, in float32; those of length 0 as they are."""
    found = torch.empty(directions.shape, device=directions.device)
    for begin in range(0, len(directions), _AT_ONCE):
        exact = directions[begin : begin + _AT_ONCE].detach().double()
        norms = torch.linalg.vector_norm(exact, dim=1, keepdim=True)
        found[begin : begin + _AT_ONCE] = exact / torch.where(norms > 0, norms, 1)
    return found
