"""Checks of a device: whether it has the operations that summaries need, and enough memory for the models."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sparse_autoencoder.errors import DeviceError, SaescopeError


def check_device(device: str) -> None:
    """Raise DeviceError unless this machine has the device, and the device has what summaries need.

    That is: 64-bit integers, float64, sorting, and copies to the host.
    """
    try:
        numbers = torch.zeros(2, device=device)
    except Exception as error:  # backends raise many different types
        raise DeviceError(
            f"the device '{device}' can't be used on this machine ({_reason(error)}): choose cpu"
        ) from error
    try:
        order = torch.sort(numbers.long(), stable=True)[1]
        (numbers.to(torch.float64)[order] / 3).cpu()
    except Exception as error:
        raise DeviceError(
            f"the device '{device}' can't be used: features are summarised in 64-bit integers and float64, which it "
            f"lacks ({_reason(error)}): choose cpu"
        ) from error


@contextmanager
def models_fit(device: str | torch.device) -> Iterator[None]:
    """Put models on the device in this block; running out of its memory becomes a SaescopeError."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise SaescopeError(
            f"the memory of {device} is too small for the models ({_reason(error)}): take --precision bfloat16, a "
            "smaller autoencoder, or a device that nothing else uses"
        ) from error


def _reason(error: Exception) -> str:
    """The first sentence: some messages go on with long lists."""
    return str(error).split("\n", 1)[0].split(". ", 1)[0].rstrip(".")
