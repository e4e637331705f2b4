"""Exact top-k of a float32 matrix product, screened by a bfloat16 product that takes half the time.

1. Multiply in bfloat16, and take the 2k largest results of each row as candidates.
2. Compute the candidates again in float32, and take the k largest of them.
3. Bound how much rounding can have changed any other result (the screening bound; by Cauchy and Schwarz,
   |x (w - w')| <= |x| |w - w'|). If the k-th candidate is above that bound, no other column can be among the k largest.
4. Multiply the remaining rows, for which this is not certain, completely in float32.

So the result is not approximate: it is that of the float32 product, except for the order of its additions.
"""

import warnings
from functools import cache

import torch
from torch import Tensor

from sparse_autoencoder.kernels.packed_linear import can_pack
from sparse_autoencoder.kernels.tiled_matmul import TiledLinear, row_tiles

LEAST_COLUMNS = 8192  # with fewer, screening saves little
_CANDIDATES = 2  # times k
_MOST_DOUBTS = 0.25  # share of uncertain rows in a tile, above which the batch's other tiles are not screened
_HALF_STEP = 2.0**-7  # upper bound on bfloat16's relative rounding error
_SLACK = 1 + 2.0**-10  # for rounding errors in the bound itself
_TINY = 1e-30  # covers float32's underflow


def can_screen(weight: Tensor) -> bool:
    """Whether screening is possible on this machine and saves time, for this weight [n_in, n_out]."""
    if weight.dtype != torch.float32 or weight.shape[1] < LEAST_COLUMNS or not can_pack(weight):
        return False
    return can_pack(weight[:1, :1].to(torch.bfloat16)) and _has_sampled_products()


@cache
def _has_sampled_products() -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns once that its sparse tensors are in beta
        try:
            _sampled_products(torch.ones(1, 1), torch.ones(1, 1), torch.zeros(1, 1, dtype=torch.int64))
        except (RuntimeError, NotImplementedError):  # this build of PyTorch lacks them
            return False
    return True


def _sampled_products(x: Tensor, columns_of: Tensor, columns: Tensor) -> Tensor:
    """x[r] times column columns[r, j] of the weight, for all r and j: [rows, n].

    x: [rows, n_in]; `columns_of`: the transposed weight, [n_out, n_in]; columns: [rows, n].
    """
    n_rows, n = columns.shape
    wanted = torch.sparse_csr_tensor(
        torch.arange(0, n_rows * n + 1, n),
        columns.reshape(-1),
        torch.zeros(n_rows * n),
        (n_rows, len(columns_of)),
        check_invariants=False,
    )
    found: Tensor = torch.sparse.sampled_addmm(wanted, x, columns_of.t(), beta=0.0).values()
    return found.view(n_rows, n)


class ScreenedLinear:
    """x @ weight + bias in float32, like `TiledLinear`, with a faster `top_k`."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._exact = TiledLinear(weight, bias)
        self._columns_of = weight.t().contiguous()
        self._bias = bias
        rounded, rounded_bias = weight.to(torch.bfloat16), bias.to(torch.bfloat16)
        self._rounded = TiledLinear(rounded, rounded_bias)
        # the largest norm of any column
        self._norm = _largest_norm(self._columns_of)
        self._rounding = _largest_norm(self._columns_of - rounded.t().float())
        self._bias_rounding = float((bias - rounded_bias.float()).abs().max())
        # rounding error of a sum of n products, relative: at most n steps of float32, with a margin
        self._summing = len(weight) * 2.0**-22
        self._largest_bias = float(bias.abs().max())

    def apply(self, x: Tensor) -> Tensor:
        """The full result: [rows, n_out] from [rows, n_in]."""
        return self._exact.apply(x)

    def top_k(self, x: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """See TiledLinear.top_k. Which tiles are screened depends on these rows alone, so results are reproducible."""
        found = []
        doubtful = False
        for part in row_tiles(x):
            if doubtful or not len(part):
                found.append(self._exact.top_k_of_tile(part, k))
                continue
            values, columns, in_doubt = self._screened(part, k)
            if len(in_doubt):
                values[in_doubt], columns[in_doubt] = self._exact.top_k_of_tile(part[in_doubt], k)
                doubtful = len(in_doubt) > _MOST_DOUBTS * len(part)
            found.append((values, columns))
        return torch.cat([values for values, _ in found]), torch.cat([columns for _, columns in found])

    def _screened(self, x: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
        """The k largest candidates' values and columns, and the rows for which the bound is not good enough."""
        rounded = x.to(torch.bfloat16)
        estimates, candidates = self._rounded.top_k_of_tile(rounded, min(_CANDIDATES * k, self._exact.n_out))
        values = _sampled_products(x, self._columns_of, candidates) + self._bias[candidates]
        values, at = torch.topk(values, k, dim=1)
        last = estimates[:, -1].float()
        others = last + _HALF_STEP * last.abs() + self._error(x, rounded.float())
        # comparisons with NaN are false, so rows with NaN are in doubt
        in_doubt = torch.nonzero(~(values[:, -1] > others)).squeeze(1)
        return values, candidates.gather(1, at), in_doubt

    def _error(self, x: Tensor, rounded: Tensor) -> Tensor:
        """The screening bound [rows]: by how much a result can differ at most, before it is rounded to bfloat16."""
        x_norm, rounded_norm, moved = (torch.linalg.vector_norm(part, dim=1) for part in (x, rounded, x - rounded))
        operands = moved * self._norm + rounded_norm * self._rounding + self._bias_rounding
        summing = self._summing * ((x_norm + rounded_norm) * self._norm + self._largest_bias)
        bound: Tensor = _SLACK * (operands + summing) + _TINY
        return bound


def _largest_norm(vectors: Tensor) -> float:
    return float(torch.linalg.vector_norm(vectors, dim=1).max())
