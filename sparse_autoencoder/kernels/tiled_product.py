"""A multiplication so wide that its result exists a tile at a time: some rows by some columns.

A tile is small enough to be selected from while it is in the cache. This file knows nothing of what is multiplied.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sparse_autoencoder.kernels.linear import Linear
from sparse_autoencoder.kernels.top_k import top_k

# A tile, by device. On a CPU, more than 32 MiB would be given back to the system and asked for again every time.
TILE_ROWS = {"cpu": 128}
_TILE_ROWS_ELSEWHERE = 4096
TILE_COLUMNS = 32_768


class Wide:
    """x @ weight + bias with weight [n_in, n_out] and bias [n_out]."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.n_out = weight.shape[1]
        self._begins = range(0, self.n_out, TILE_COLUMNS)
        self._tiles = [Linear(weight[:, i : i + TILE_COLUMNS], bias[i : i + TILE_COLUMNS]) for i in self._begins]

    def apply(self, x: Tensor) -> Tensor:
        """All of it, [rows, n_out] from [rows, n_in]."""
        return torch.cat([tile.apply(x) for tile in self._tiles], dim=1)

    def top_k(self, x: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Each row's k largest results and their columns, both [rows, k], largest first; from [rows, n_in]."""
        found = [self.top_k_at_once(part, k) for part in row_tiles(x)]
        return torch.cat([values for values, _ in found]), torch.cat([columns for _, columns in found])

    def top_k_at_once(self, x: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The same for the rows of one tile."""
        found = [top_k(tile.apply(x), min(k, tile.n_out)) for tile in self._tiles]
        if len(found) == 1:
            return found[0]
        values = torch.cat([part for part, _ in found], dim=1)
        columns = torch.cat([part + begin for (_, part), begin in zip(found, self._begins, strict=True)], dim=1)
        values, at = torch.topk(values, k, dim=1)
        return values, columns.gather(1, at)


def row_tiles(x: Tensor) -> tuple[Tensor, ...]:
    """The rows of [rows, n_in] in tiles."""
    return torch.split(x, TILE_ROWS.get(x.device.type, _TILE_ROWS_ELSEWHERE))
