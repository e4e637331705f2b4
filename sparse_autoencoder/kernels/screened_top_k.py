"""The k largest results of a float32 multiplication, most of which is done in bfloat16, at twice the rate.

The rounded multiplication says where the largest can be: twice as many candidates as are wanted. Those are computed
again in float32. What rounding can have done to any other result is bounded (by Cauchy and Schwarz: |x (w - w')| is at
most |x| |w - w'|), so for each row it is known whether one of them could have been among the k largest. Rows for which
that can't be ruled out are multiplied in float32 as a whole. So nothing is approximate: it is the float32
multiplication, but for the order in which products are added up. This file knows nothing of what is multiplied.
"""

from __future__ import annotations

import warnings
from functools import cache

import torch
from torch import Tensor

from sparse_autoencoder.kernels.linear import can_pack
from sparse_autoencoder.kernels.tiled_product import Wide, row_tiles

LEAST_COLUMNS = 8192  # with fewer there is little to spare
_CANDIDATES = 2  # times k
_MOST_DOUBTS = 0.25  # of a tile's rows: beyond that, screening the batch's others would cost more than it spares
_HALF_STEP = 2.0**-7  # of a number in bfloat16, relative, and a bit more: rounding moves it by less
_SLACK = 1 + 2.0**-10  # for rounding in the bounds themselves
_TINY = 1e-30  # where numbers get so small that float32 has no more digits


def can_screen(weight: Tensor) -> bool:
    """Whether that is possible and pays for this weight [n_in, n_out], here."""
    if weight.dtype != torch.float32 or weight.shape[1] < LEAST_COLUMNS or not can_pack(weight):
        return False
    return can_pack(weight[:1, :1].to(torch.bfloat16)) and _has_sampled_products()


@cache
def _has_sampled_products() -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch calls its sparse tensors unfinished, once
        try:
            _sampled_products(torch.ones(1, 1), torch.ones(1, 1), torch.zeros(1, 1, dtype=torch.int64))
        except (RuntimeError, NotImplementedError):  # a build of PyTorch without them
            return False
    return True


def _sampled_products(x: Tensor, columns_of: Tensor, columns: Tensor) -> Tensor:
    """Row r of x [rows, n_in] times the columns `columns[r]` [rows, n]; `columns_of` is the weight, [n_out, n_in]."""
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


class Screened:
    """x @ weight + bias in float32, as `Wide` has it, with a faster `top_k`."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._exact = Wide(weight, bias)
        self._columns_of = weight.t().contiguous()
        self._bias = bias
        rounded, rounded_bias = weight.to(torch.bfloat16), bias.to(torch.bfloat16)
        self._rounded = Wide(rounded, rounded_bias)
        # the largest over the columns
        self._norm = _largest_norm(self._columns_of)
        self._rounding = _largest_norm(self._columns_of - rounded.t().float())
        self._bias_rounding = float((bias - rounded_bias.float()).abs().max())
        # sums of n products lose at most n steps
        self._summing = len(weight) * 2.0**-22
        self._largest_bias = float(bias.abs().max())

    def apply(self, x: Tensor) -> Tensor:
        """All of it, [rows, n_out] from [rows, n_in]."""
        return self._exact.apply(x)

    def top_k(self, x: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """See Wide.top_k; what is screened depends on these rows alone."""
        found = []
        doubtful = False
        for part in row_tiles(x):
            if doubtful or not len(part):
                found.append(self._exact.top_k_at_once(part, k))
                continue
            values, columns, in_doubt = self._screened(part, k)
            if len(in_doubt):
                values[in_doubt], columns[in_doubt] = self._exact.top_k_at_once(part[in_doubt], k)
                doubtful = len(in_doubt) > _MOST_DOUBTS * len(part)
            found.append((values, columns))
        return torch.cat([values for values, _ in found]), torch.cat([columns for _, columns in found])

    def _screened(self, x: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
        """The k largest candidates' values and columns, and the rows where others might be larger."""
        rounded = x.to(torch.bfloat16)
        estimates, candidates = self._rounded.top_k_at_once(rounded, min(_CANDIDATES * k, self._exact.n_out))
        values = _sampled_products(x, self._columns_of, candidates) + self._bias[candidates]
        values, at = torch.topk(values, k, dim=1)
        last = estimates[:, -1].float()
        others = last + _HALF_STEP * last.abs() + self._error(x, rounded.float())
        # a comparison with what is no number is false, so that such rows are in doubt
        in_doubt = torch.nonzero(~(values[:, -1] > others)).squeeze(1)
        return values, candidates.gather(1, at), in_doubt

    def _error(self, x: Tensor, rounded: Tensor) -> Tensor:
        """By how much results of rows can differ at most before the last rounding, [rows]."""
        x_norm, rounded_norm, moved = (torch.linalg.vector_norm(part, dim=1) for part in (x, rounded, x - rounded))
        operands = moved * self._norm + rounded_norm * self._rounding + self._bias_rounding
        summing = self._summing * ((x_norm + rounded_norm) * self._norm + self._largest_bias)
        bound: Tensor = _SLACK * (operands + summing) + _TINY
        return bound


def _largest_norm(vectors: Tensor) -> float:
    return float(torch.linalg.vector_norm(vectors, dim=1).max())
