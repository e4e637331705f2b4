"""Matrix product and top-k computed in tiles (some rows by some columns), so that the full result never exists.

A tile is small enough to stay in the cache while its largest results are selected.
"""

import torch
from torch import Tensor

from sparse_autoencoder.kernels.any_device_top_k import top_k
from sparse_autoencoder.kernels.packed_linear import Linear

# Size of a tile, by device. On a CPU, the allocator would return more than 32 MiB to the system after each tile.
TILE_ROWS = {"cpu": 128}
_TILE_ROWS_ELSEWHERE = 4096
TILE_COLUMNS = 32_768


class TiledLinear:
    """x @ weight + bias in tiles, with weight [n_in, n_out] and bias [n_out]."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.n_out = weight.shape[1]
        self._begins = range(0, self.n_out, TILE_COLUMNS)
        self._tiles = [Linear(weight[:, i : i + TILE_COLUMNS], bias[i : i + TILE_COLUMNS]) for i in self._begins]

    def apply(self, x: Tensor) -> Tensor:
        """The full result: [rows, n_out] from [rows, n_in]."""
        return torch.cat([tile.apply(x) for tile in self._tiles], dim=1)

    def top_k(self, x: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Each row's k largest results and their columns, both [rows, k], largest first; x is [rows, n_in]."""
        found = [self.top_k_of_tile(part, k) for part in row_tiles(x)]
        return torch.cat([values for values, _ in found]), torch.cat([columns for _, columns in found])

    def top_k_of_tile(self, x: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """`top_k` for the rows of one tile."""
        found = [top_k(tile.apply(x), min(k, tile.n_out)) for tile in self._tiles]
        if len(found) == 1:
            return found[0]
        values = torch.cat([part for part, _ in found], dim=1)
        columns = torch.cat([part + begin for (_, part), begin in zip(found, self._begins, strict=True)], dim=1)
        values, at = torch.topk(values, k, dim=1)
        return values, columns.gather(1, at)


def row_tiles(x: Tensor) -> tuple[Tensor, ...]:
    """Split [rows, n_in] into tiles of rows."""
    return torch.split(x, TILE_ROWS.get(x.device.type, _TILE_ROWS_ELSEWHERE))
