"""TF32 on a CPU: what is rounded, how, and that no multiplication is left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

import demo
from benchmarks.tf32 import emulated, rounded
from sparse_autoencoder.autoencoders.checkpoints import load_autoencoder
from sparse_autoencoder.kernels.linear import Linear
from sparse_autoencoder.pipeline.encoder import Encoder
from sparse_autoencoder.pipeline.loading import load_models
from sparse_autoencoder.runs.options import RunOptions
from sparse_autoencoder.summaries.summary import SummarySpec
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.windows import windows_of
from tests.support.runs import one_thread

ULP = 2.0**-10  # of TF32 numbers from 1 to 2


@pytest.mark.parametrize(
    ("number", "nearest"),
    [
        (1.0, 1.0),
        (1 + ULP, 1 + ULP),
        (1 + 0.49 * ULP, 1.0),
        (1 + 0.5 * ULP, 1 + ULP),  # ties away from zero
        (-1 - 0.5 * ULP, -1 - ULP),
        (2 - 0.4 * ULP, 2.0),
        (3.0e-39, 3.0e-39),  # denormal: 10 bits of a fixed step
        (0.0, 0.0),
        (torch.inf, torch.inf),
        (-torch.inf, -torch.inf),
    ],
)
def test_a_number_is_rounded_to_ten_bits(number: float, nearest: float) -> None:
    assert rounded(torch.tensor([number])).item() == pytest.approx(nearest, rel=0, abs=2.0**-137)


def test_what_is_no_number_stays_none() -> None:
    assert rounded(torch.tensor([torch.nan])).isnan().all()


def randoms(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rows", [1, 40])
def test_a_product_is_that_of_the_rounded_operands(rows: int) -> None:
    x, weight, bias, onto = randoms(rows, 64), randoms(64, 48, seed=1), randoms(48, seed=2), randoms(rows, 48, seed=3)
    with emulated():
        linear = Linear(weight, bias)
        found, added = linear.apply(x), linear.apply(x, onto)
        activated = linear.activated(x, "relu", functional.relu)
    exact = rounded(x).double() @ rounded(weight).double() + bias.double()
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=2e-5)
    torch.testing.assert_close(added.double(), exact + onto.double(), rtol=0, atol=2e-5)
    torch.testing.assert_close(activated.double(), exact.relu(), rtol=0, atol=2e-5)
    assert float((exact - (x.double() @ weight.double() + bias.double())).abs().max()) > 1e-3


@pytest.mark.parametrize("kind", ["causal", "masked", "plain"])
def test_attention_is_that_of_the_rounded_operands(kind: str) -> None:
    query, key, value = (randoms(2, 3, 7, 16, seed=seed) for seed in range(3))
    allowed = torch.ones(7, 7, dtype=torch.bool)
    mask = allowed.tril(2) if kind == "masked" else None
    with emulated():
        found = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=kind == "causal", scale=0.3
        )
    seen = {"causal": allowed.tril(), "masked": allowed.tril(2), "plain": allowed}[kind]
    scores = rounded(query).double() @ rounded(key).double().mT * 0.3
    weights = torch.where(seen, scores, -torch.inf).softmax(-1).float()
    # a weight next to a tie may be rounded the other way
    torch.testing.assert_close(
        found.double(), rounded(weights).double() @ rounded(value).double(), rtol=0, atol=4 * ULP / 2
    )


def test_the_library_is_as_it_was_afterwards() -> None:
    x, weight, bias = randoms(5, 64), randoms(64, 48, seed=1), randoms(48, seed=2)
    before = Linear(weight, bias).apply(x)
    with emulated():
        pass
    assert torch.equal(Linear(weight, bias).apply(x), before)


FUSED_ATTENTION = "aten::scaled_dot_product_attention"  # in it, weights can't be rounded


class Multiplications(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the operands of all multiplications of matrices; AssertionError at one that isn't known here."""

    OPERANDS: ClassVar = {
        "aten::mm": (0, 1),
        "aten::bmm": (0, 1),
        "aten::matmul": (0, 1),
        "aten::addmm": (1, 2),
        FUSED_ATTENTION: (0, 1, 2),
        "mkldnn::_linear_pointwise": (0,),
        "mkldnn::_reorder_linear_weight": (0,),
    }

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operands: list[tuple[str, Tensor]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.name().split(".")[0]
        if name in self.OPERANDS:
            self.operands += [(name, args[position]) for position in self.OPERANDS[name]]
        else:
            assert not any(word in name for word in ("mm", "matmul", "linear", "attention", "conv", "einsum"))
        return func(*args, **(kwargs or {}))


def multiplied(*, emulating: bool) -> Iterator[tuple[str, bool]]:
    """Each operand of loading and running the demo's models: of what, and whether it is a TF32 number throughout."""
    options = RunOptions(
        subject=str(demo.SUBJECT),
        autoencoder=str(demo.AUTOENCODER),
        layer=demo.LAYER,
        location=demo.LOCATION,
        device="cpu",
    )
    policy = TokenPolicy(bos_token_id=0)
    rows = windows_of(np.arange(3), np.arange(1, 31, dtype=np.int32), np.array([0, 10, 20, 30]), policy)
    # one thread, because a dispatch mode sees those of its own
    with emulated() if emulating else nullcontext(), one_thread(), Multiplications() as seen:
        models = load_models(options)
        spec = SummarySpec(models.num_features, examples_per_feature=1, seed=0)
        encoder = Encoder(
            models.subject,
            load_autoencoder(models.checkpoint),
            location=options.location,
            layer_index=options.layer,
            policy=policy,
            spec=spec,
        )
        encoder.activations(rows)
    for name, operand in seen.operands:
        yield name, torch.equal(rounded(operand), operand)


def test_every_multiplication_of_the_encoder_takes_rounded_operands() -> None:
    found = list(multiplied(emulating=True))
    # four weights and four vectors of each block, and the autoencoder's; in attention two products of two operands
    assert len(found) >= 2 * 8 + 2 + 2 * 4
    assert {name for name, is_rounded in found if not is_rounded} == set()
    assert FUSED_ATTENTION not in dict(found)


def test_without_emulation_operands_are_not_rounded() -> None:
    assert not any(is_rounded for _name, is_rounded in multiplied(emulating=False))
