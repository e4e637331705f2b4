"""Multiplication with fixed weights against float64, packed or not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sparse_autoencoder.kernels.packed_linear import Linear, can_pack
from tests.support.devices import on_each_device

TOLERANCE = {torch.float64: 1e-13, torch.float32: 1e-5, torch.bfloat16: 2e-2}
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "tanh_gelu": lambda x: functional.gelu(x, approximate="tanh"),
    "relu": functional.relu,
    "silu": functional.silu,
}


def operands(dtype: torch.dtype, rows: int = 37, device: str = "cpu") -> tuple[Tensor, Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(3)
    shapes = ((rows, 24), (24, 40), (40,), (rows, 40))
    x, weight, bias, onto = (torch.randn(shape, generator=random, dtype=torch.float64) / 4 for shape in shapes)
    return x.to(device, dtype), weight.to(device, dtype), bias.to(device, dtype), onto.to(device, dtype)


def assert_close(found: Tensor, exact: Tensor) -> None:
    tolerance = TOLERANCE[found.dtype]
    torch.testing.assert_close(found.double(), exact, atol=tolerance, rtol=tolerance)


@on_each_device
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("rows", [1, 37, 5000])
def test_it_multiplies_and_adds_the_bias(dtype: torch.dtype, rows: int, device: str) -> None:
    x, weight, bias, _onto = operands(dtype, rows, device)
    assert_close(Linear(weight, bias).apply(x), x.double() @ weight.double() + bias.double())


@on_each_device
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_it_adds_to_what_is_given_and_leaves_that_as_it_was(dtype: torch.dtype, device: str) -> None:
    x, weight, bias, onto = operands(dtype, device=device)
    before = onto.clone()
    found = Linear(weight, bias).apply(x, onto)
    assert_close(found, x.double() @ weight.double() + bias.double() + onto.double())
    assert torch.equal(onto, before)


@on_each_device
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("activation", FUNCTIONS)
def test_it_applies_an_activation(dtype: torch.dtype, activation: str, device: str) -> None:
    x, weight, bias, _onto = operands(dtype, device=device)
    function = FUNCTIONS[activation]
    found = Linear(weight, bias).activated(x, activation, function)
    assert_close(found, function(x.double() @ weight.double() + bias.double()))


@on_each_device
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_no_rows_give_no_rows(dtype: torch.dtype, device: str) -> None:
    x, weight, bias, onto = operands(dtype, 0, device)
    linear = Linear(weight, bias)
    assert linear.apply(x).shape == linear.apply(x, onto).shape == (0, 40)
    assert linear.activated(x, "gelu", functional.gelu).shape == (0, 40)


@on_each_device
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_what_is_not_finite_stays_so(dtype: torch.dtype, device: str) -> None:
    x, weight, bias, _onto = operands(dtype, device=device)
    x[3, 5] = torch.nan
    x[4, 5] = torch.inf
    found = Linear(weight, bias).apply(x)
    assert found[3].isnan().all()
    assert not found[4].isfinite().any()
    assert found[5:].isfinite().all()


def test_this_machine_s_float32_is_packed_if_torch_has_one_dnn() -> None:
    assert can_pack(torch.zeros(2, 2)) == torch._C._has_mkldnn
    assert not can_pack(torch.zeros(2, 2, dtype=torch.float64))
