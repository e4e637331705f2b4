"""The largest dot products of each row, exactly: chosen in float32, decided in float64.

A float32 product depends on the order of its additions, and with it which of two nearly equal products is larger. Here
the float32 product only chooses candidates; the candidates' products are computed again in float64, each by itself, and
these order them. Rows for which a column that is no candidate might belong to the largest are looked at completely. So
the result depends neither on the size of tiles, nor on threads, nor on how the float32 product was made.
"""

from collections.abc import Callable

import torch
from torch import Tensor

MARGIN = 6  # candidates besides those that are wanted
_ROUNDING = 2.0**-22  # of float32: an upper bound on the relative error of one addition, twice
_COLUMNS_AT_ONCE = 4096


def largest(
    x: Tensor, vectors: Tensor, found: tuple[Tensor, Tensor], whole: Callable[[Tensor], Tensor], k: int, norm: float
) -> tuple[Tensor, Tensor]:
    """The k largest products of each x with `vectors`: values (float64) and columns, both [rows, k], largest first.

    x: [rows, width] and vectors: [columns, width], in float32; `norm` is the largest norm of `vectors`. `found` are
    the values and columns of more than k largest float32 products, [rows, candidates] (or of all columns).
    `whole(rows)` gives the float32 products of some rows, by their numbers, with all columns. Equal products are
    ordered by column. Columns whose float32 product is -inf are never taken, if there are k others.
    """
    approximate, candidates = found
    values, columns = _ordered(_products(x, vectors, candidates), candidates, approximate, k)
    if candidates.shape[1] == len(vectors):
        return values, columns
    error = len(x[0]) * _ROUNDING * norm * torch.linalg.vector_norm(x.double(), dim=1) + 1e-30
    # what is no candidate has no larger float32 product than any candidate, among which some may be excluded
    others = torch.where(torch.isneginf(approximate), torch.inf, approximate).amin(dim=1).double()
    in_doubt = torch.nonzero(~(values[:, -1] > others + error)).squeeze(1)  # a comparison with NaN is false
    for row in in_doubt.tolist():
        at = torch.tensor([row], device=x.device)
        products = whole(at)
        if not x[row].any():  # then all products are 0, and the first columns count
            values[row] = 0.0
            columns[row] = torch.nonzero(~torch.isneginf(products[0])).squeeze(1)[:k]
            continue
        # no other column can be among the k largest
        least = torch.topk(products, k, dim=1).values[:, -1].double() - 2 * error[at]
        wanted = torch.nonzero(products[0].double() >= least).squeeze(1)[None]
        values[at], columns[at] = _ordered(_products(x[at], vectors, wanted), wanted, products.gather(1, wanted), k)
    return values, columns


def _ordered(values: Tensor, columns: Tensor, approximate: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The first k by value, largest first, and then by column."""
    values = torch.where(torch.isneginf(approximate), -torch.inf, values)
    columns, order = torch.sort(columns, dim=1)
    values, order = torch.sort(values.gather(1, order), dim=1, descending=True, stable=True)
    return values[:, :k], columns.gather(1, order)[:, :k]


def _products(x: Tensor, vectors: Tensor, columns: Tensor) -> Tensor:
    """x[r] times vectors[columns[r, j]] in float64, each summed in the same order: [rows, n]."""
    parts = torch.split(columns, _COLUMNS_AT_ONCE, dim=1)
    return torch.cat([(vectors[part].double() * x.double()[:, None]).sum(-1) for part in parts], dim=1)


def largest_norm(vectors: Tensor) -> float:
    """The largest norm of any of the vectors [n, width]."""
    return float(torch.linalg.vector_norm(vectors, dim=1).max())
