"""Screened top-k against the same multiplication in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sparse_autoencoder.kernels import cpu_screened_top_k, tiled_matmul
from sparse_autoencoder.kernels.cpu_screened_top_k import ScreenedLinear, can_screen

K = 4
pytestmark = pytest.mark.skipif(
    not can_screen(torch.zeros(2, cpu_screened_top_k.LEAST_COLUMNS)), reason="this processor multiplies no bfloat16"
)


def assert_largest(x: Tensor, weight: Tensor, bias: Tensor, found: tuple[Tensor, Tensor]) -> None:
    """Found are results of float32 that are as large as the largest of float64, at the columns that are named."""
    exact = x.double() @ weight.double() + bias.double()
    tolerance = 1e-6 * float(x.norm(dim=1).max() * weight.norm(dim=0).max() + bias.abs().max())
    values, columns = found
    torch.testing.assert_close(values.double(), exact.topk(K, dim=1).values, atol=tolerance, rtol=0)
    torch.testing.assert_close(values.double(), exact.gather(1, columns), atol=tolerance, rtol=0)
    assert all(len(set(row)) == K for row in columns.tolist())


def case(name: str) -> tuple[Tensor, Tensor, Tensor]:
    """x [300, 16], weight [16, 200], bias [200]."""
    random = torch.Generator().manual_seed(3)
    x, weight = torch.randn(300, 16, generator=random), torch.randn(16, 200, generator=random)
    bias = torch.randn(200, generator=random)
    if name == "close together":  # so that bfloat16 can't tell them apart
        weight = 1 + 1e-3 * weight
        bias = torch.zeros(200)
    elif name == "equal":
        weight[:, 1:] = weight[:, :1]
        bias[:] = 1
    elif name == "one large column":
        weight[:, 17] *= 1e4
    elif name == "large bias":
        bias *= 1e4
    elif name == "tiny":
        x, weight, bias = 1e-18 * x, 1e-18 * weight, 1e-36 * bias
    elif name == "negative":
        bias -= 1e3
    return x, weight, bias


CASES = ("random", "close together", "equal", "one large column", "large bias", "tiny", "negative")


@pytest.mark.parametrize("columns_at_once", [64, 1000])
@pytest.mark.parametrize("name", CASES)
def test_the_largest_of_float32_are_found(name: str, columns_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiled_matmul, "TILE_COLUMNS", columns_at_once)
    x, weight, bias = case(name)
    assert_largest(x, weight, bias, ScreenedLinear(weight, bias).top_k(x, K))


@pytest.mark.parametrize("name", CASES)
def test_a_row_that_is_in_no_doubt_has_its_largest_among_the_candidates(name: str) -> None:
    x, weight, bias = case(name)
    values, columns, in_doubt = ScreenedLinear(weight, bias)._screened(x, K)
    sure = torch.ones(len(x), dtype=torch.bool)
    sure[in_doubt] = False
    if sure.any():
        assert_largest(x[sure], weight, bias, (values[sure], columns[sure]))
    assert bool(sure.any()) == (name in ("random", "large bias"))


def test_rows_in_doubt_don_t_change_the_others() -> None:
    x, weight, bias = case("random")
    x[100] = 0
    alone = ScreenedLinear(weight, bias).top_k(x[:100], K)
    among = ScreenedLinear(weight, bias).top_k(x, K)
    torch.testing.assert_close(among[0][:100], alone[0], atol=0, rtol=0)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, 3e38])
def test_what_is_no_number_or_too_large_comes_out_as_without_screening(bad: float) -> None:
    x, weight, bias = case("random")
    x[7, 3] = bad
    values, _columns = ScreenedLinear(weight, bias).top_k(x, K)
    exact, _columns = tiled_matmul.TiledLinear(weight, bias).top_k(x, K)
    torch.testing.assert_close(values[7], exact[7], equal_nan=True)
    assert not values[7].isfinite().all()


def test_all_of_it_is_the_plain_multiplication() -> None:
    x, weight, bias = case("random")
    torch.testing.assert_close(
        ScreenedLinear(weight, bias).apply(x), tiled_matmul.TiledLinear(weight, bias).apply(x), atol=0, rtol=0
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_only_float32_is_screened(dtype: torch.dtype) -> None:
    assert not can_screen(torch.zeros(2, cpu_screened_top_k.LEAST_COLUMNS, dtype=dtype))


def test_few_columns_are_not_screened() -> None:
    assert not can_screen(torch.zeros(2, cpu_screened_top_k.LEAST_COLUMNS - 1))
