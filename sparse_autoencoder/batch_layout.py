"""How a batch of windows of one length is laid out for a causal model: what all of them begin with is there only once.

In a causal model a token's activations depend on the tokens before it alone, so a common beginning needs no more than
one computation; with headlines that is BOS, one token in fifteen. This file knows no model.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """A batch's tokens in flat arrays: those with which all windows begin, once, then each window's own."""

    windows: int
    shared: int
    own: int

    @classmethod
    def of(cls, tokens: Tensor) -> Layout:
        """The layout for tokens [batch, pos]; a window keeps a token of its own."""
        batch, positions = tokens.shape
        if batch < 2 or positions < 2:
            return cls(batch, 0, positions)
        same = (tokens == tokens[:1]).all(dim=0)[:-1]
        shared = int(same.cumprod(0).sum())
        return cls(batch, shared, positions - shared)

    def flat(self, per_window: Tensor) -> Tensor:
        """[batch, pos] -> [tokens]."""
        return torch.cat([per_window[:1, : self.shared].reshape(-1), per_window[:, self.shared :].reshape(-1)])

    def per_window(self, flat: Tensor) -> Tensor:
        """[tokens, width] -> [batch, pos, width]."""
        own = flat[self.shared :].view(self.windows, self.own, flat.shape[1])
        if not self.shared:
            return own
        return torch.cat([flat[: self.shared].expand(self.windows, -1, -1), own], dim=1)
