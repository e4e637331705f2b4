"""Neighbours: for each feature the decoder directions nearest to its own, by cosine.

In one dictionary, a feature is no neighbour of its own, but its duplicates, at cosine 1, are. Between two dictionaries
that read the same vectors at the same hook point (such as v5_32k and v5_128k), the neighbours of A's features in B show
which of them were split or merged. Every pair is looked at, and the result is exact (exact_largest.py).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from sparse_autoencoder.directions.exact_largest import MARGIN, largest, largest_norm
from sparse_autoencoder.directions.unit_length import of_length_1
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.kernels.cpu_threads import parallel_map
from sparse_autoencoder.kernels.precision import multiplying
from sparse_autoencoder.kernels.tiled_matmul import TiledLinear
from sparse_autoencoder.runs.neighbours_file import NEIGHBOURS, Neighbours

_ROWS = {"cpu": 128}
_ROWS_ELSEWHERE = 4096


def neighbours(
    directions: Tensor,
    others: Tensor | None = None,
    moved: Callable[[], None] = lambda: None,
    tile_rows: int | None = None,
) -> Neighbours:
    """For each of `directions` [features, width] the nearest of `others` [features of B, width].

    Without `others`, the nearest of `directions` themselves, except the feature itself. A direction of length 0 has
    cosine 0 with all. It is computed on the device where they are, in tiles of `tile_rows` features; memory is that of
    a few copies of the directions. `moved` is called after each tile.

    Raises SaescopeError if the widths differ.
    """
    if others is not None and others.shape[1] != directions.shape[1]:
        raise SaescopeError(
            f"directions of width {directions.shape[1]} can't be compared with those of width {others.shape[1]}"
        )
    with multiplying(tf32=False):
        x = of_length_1(directions)
        vectors = x if others is None else of_length_1(others)
        rows = tile_rows or _ROWS.get(x.device.type, _ROWS_ELSEWHERE)
        search = _Search(vectors, moved, excludes_itself=others is None)
        begins = range(0, len(x), rows)

        def nearest(begin: int) -> tuple[Tensor, Tensor]:
            return search.nearest(x[begin : begin + rows], begin)

        parts = parallel_map(nearest, begins) if x.device.type == "cpu" else list(map(nearest, begins))
    columns = torch.cat([columns for _, columns in parts]).cpu().numpy().astype(np.int32)
    return Neighbours(columns, torch.cat([values for values, _ in parts]).cpu().numpy().astype(np.float32))


class _Search:
    """Looks for the nearest of some vectors; several threads may use it."""

    def __init__(self, vectors: Tensor, moved: Callable[[], None], *, excludes_itself: bool) -> None:
        # not screened in bfloat16: its error is too large for cosines that lie so close together
        self._linear = TiledLinear(vectors.t(), vectors.new_zeros(len(vectors)))
        self._moved = moved
        self._vectors = vectors
        self._excludes_itself = excludes_itself
        self._norm = largest_norm(vectors)

    @torch.inference_mode()
    def nearest(self, x: Tensor, begin: int) -> tuple[Tensor, Tensor]:
        """Cosines and features, both [rows, neighbours]; the rows are the features from `begin` on."""
        n = len(self._vectors)
        own = torch.arange(begin, begin + len(x), device=x.device)[:, None]
        wanted = min(NEIGHBOURS, n - self._excludes_itself)
        values, columns = self._linear.top_k(x, min(n, NEIGHBOURS + MARGIN + self._excludes_itself))

        def whole(rows: Tensor) -> Tensor:
            return self._without(own[rows], self._linear.apply(x[rows]), torch.arange(n, device=x.device)[None])

        found = self._without(own, values, columns), columns
        nearest = largest(x, self._vectors, found, whole, wanted, self._norm)
        self._moved()
        return nearest

    def _without(self, own: Tensor, values: Tensor, columns: Tensor) -> Tensor:
        """The values, with -inf for the feature itself."""
        return torch.where(columns == own, -torch.inf, values) if self._excludes_itself else values
