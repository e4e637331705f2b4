"""The prefix tree of a batch of windows, so that a causal model computes each distinct prefix only once.

In a causal model the activations at a token depend only on this token and those before it. So windows with a common
prefix share the activations of that prefix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparse_autoencoder.kernels.copy_to_device import copy_to_device


@dataclass(frozen=True)
class PrefixTree:
    """A prefix tree of the batch: one node for each distinct prefix, ordered by the prefix's length.

    A node stands for the last token of its prefix. All windows of the batch have the same length.
    """

    node_of: Tensor  # [batch, pos], int64: each token's node
    first: Tensor  # [nodes], int64: index in the flattened [batch * pos] tokens of a token that has this node
    starts: NDArray[np.int64]  # [pos + 1]: the first node of each position, and the number of nodes

    @classmethod
    def of(cls, tokens: Tensor) -> PrefixTree:
        """The prefix tree of tokens [batch, pos]."""
        ids = tokens.cpu().numpy().astype(np.int64)
        batch, positions = ids.shape
        node_of = np.empty_like(ids)
        first, starts = [], np.zeros(positions + 1, np.int64)
        before = np.zeros(batch, np.int64)  # each window's prefix so far, numbered among those of the same length
        for position in range(positions):
            prefixes = (before << 32) | ids[:, position]
            _, window, before = np.unique(prefixes, return_index=True, return_inverse=True)
            node_of[:, position] = starts[position] + before
            starts[position + 1] = starts[position] + len(window)
            first.append(window * positions + position)
        places = np.concatenate([np.zeros(0, np.int64), *first])
        return cls(torch.from_numpy(node_of), torch.from_numpy(places), starts)

    @classmethod
    def of_all(cls, batch: int, positions: int) -> PrefixTree:
        """A tree in which windows share nothing: one node for each token. For models that can't use prefixes."""
        node_of = torch.arange(batch * positions).view(positions, batch).t()
        places = torch.arange(batch * positions).view(batch, positions).t().flatten()
        return cls(node_of, places, np.arange(positions + 1) * batch)

    def to(self, device: torch.device) -> PrefixTree:
        """The tree with its tensors on the device."""
        return PrefixTree(copy_to_device(self.node_of, device), copy_to_device(self.first, device), self.starts)

    def flat(self, per_window: Tensor) -> Tensor:
        """Pick each node's vector from one of its tokens: [batch, pos, …] -> [nodes, …]."""
        return per_window.flatten(0, 1).index_select(0, self.first)

    def per_window(self, flat: Tensor) -> Tensor:
        """Copy each node's vector to all of its tokens: [nodes, width] -> [batch, pos, width]."""
        batch, positions = self.node_of.shape
        return flat.index_select(0, self.node_of.flatten()).view(batch, positions, flat.shape[1])
