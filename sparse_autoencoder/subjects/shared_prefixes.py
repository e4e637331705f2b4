"""A batch of windows of one length, laid out for a causal model: what windows begin with alike is there only once.

In a causal model what is computed at a token depends on the tokens before it alone, so windows that begin alike share
it, up to where they part. The distinct beginnings form a tree (a trie); its nodes are what is computed. This file knows
no model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparse_autoencoder.kernels.copy_to_device import sent


@dataclass(frozen=True)
class Layout:
    """The distinct beginnings of windows, by length; a node's position is its beginning's last."""

    node_of: Tensor  # [batch, pos], int64
    first: Tensor  # [nodes], int64: the first place in the flat windows that a node is at
    starts: NDArray[np.int64]  # [pos + 1]: the first node of each position

    @classmethod
    def of(cls, tokens: Tensor) -> Layout:
        """The layout for tokens [batch, pos]."""
        ids = tokens.cpu().numpy().astype(np.int64)
        batch, positions = ids.shape
        node_of = np.empty_like(ids)
        first, starts = [], np.zeros(positions + 1, np.int64)
        before = np.zeros(batch, np.int64)  # which beginning, among those of one length
        for position in range(positions):
            beginnings = (before << 32) | ids[:, position]
            _, window, before = np.unique(beginnings, return_index=True, return_inverse=True)
            node_of[:, position] = starts[position] + before
            starts[position + 1] = starts[position] + len(window)
            first.append(window * positions + position)
        places = np.concatenate([np.zeros(0, np.int64), *first])
        return cls(torch.from_numpy(node_of), torch.from_numpy(places), starts)

    @classmethod
    def of_all(cls, batch: int, positions: int) -> Layout:
        """The layout in which windows share nothing."""
        node_of = torch.arange(batch * positions).view(positions, batch).t()
        places = torch.arange(batch * positions).view(batch, positions).t().flatten()
        return cls(node_of, places, np.arange(positions + 1) * batch)

    @property
    def nodes(self) -> int:
        """How many there are."""
        return len(self.first)

    def to(self, device: torch.device) -> Layout:
        """The layout with its tensors on a device."""
        return Layout(sent(self.node_of, device), sent(self.first, device), self.starts)

    def flat(self, per_window: Tensor) -> Tensor:
        """[batch, pos, …] -> [nodes, …]."""
        return per_window.flatten(0, 1).index_select(0, self.first)

    def per_window(self, flat: Tensor) -> Tensor:
        """[nodes, width] -> [batch, pos, width]."""
        batch, positions = self.node_of.shape
        return flat.index_select(0, self.node_of.flatten()).view(batch, positions, flat.shape[1])
