"""Which devices are taken: those that have what features are summarised in, told by trying it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.kernels.device_checks import check_device
from sparse_autoencoder.pipeline.chunk_encoder import memory_budget_on
from sparse_autoencoder.pipeline.load_inputs import load_models
from sparse_autoencoder.runs.run_options import RunOptions
from tests.support.devices import on_each_device

OF_A_MAC = "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64"
REFUSED = (
    "the device '{}' can't be used: features are summarised in 64-bit integers and float64, which it lacks ({}): "
    "choose cpu"
)


class Mac(TorchFunctionMode):
    """Takes tensors for a device `mps`, which are the CPU's, and refuses float64 as Apple's GPUs do."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        settings = dict(kwargs or {})
        if settings.get("device") == "mps":
            settings["device"] = "cpu"
        if torch.float64 in args or settings.get("dtype") is torch.float64:
            raise TypeError(f"{OF_A_MAC}. Please use float32 instead.")
        return function(*args, **settings)


@on_each_device
def test_a_device_with_numbers_of_64_bits_is_taken(device: str) -> None:
    check_device(device)


def test_a_device_without_float64_is_refused() -> None:
    with Mac(), pytest.raises(SaescopeError) as refused:
        check_device("mps")
    assert str(refused.value) == REFUSED.format("mps", OF_A_MAC)


def test_a_device_from_which_nothing_comes_back_is_refused() -> None:
    with pytest.raises(SaescopeError) as refused:
        check_device("meta")
    assert str(refused.value) == REFUSED.format("meta", "Cannot copy out of meta tensor; no data!")


@pytest.mark.parametrize("device", ["abacus", "hpu", "vulkan", "cuda:99", "cpu:x", ""])
def test_what_is_no_device_here_is_refused_in_a_sentence(device: str) -> None:
    with pytest.raises(
        SaescopeError, match=r"^the device '.*' can't be used on this machine \(.*\): choose cpu$"
    ) as it:
        check_device(device)
    assert len(str(it.value)) < 400


def test_it_is_refused_before_anything_is_looked_for() -> None:
    with pytest.raises(SaescopeError, match="the device 'meta' can't be used"):
        load_models(RunOptions(subject="no/such-model", device="meta"))


@on_each_device
def test_one_block_at_a_time_is_summarised_on_a_gpu_as_each_takes_the_memory_of_the_next(device: str) -> None:
    assert memory_budget_on(torch.device(device)).workers == {"cpu": 2, "cuda": 1}[device]
    assert memory_budget_on(torch.device("xpu")).workers == 1
