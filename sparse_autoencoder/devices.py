"""What a device must be able to do, and how much of it summaries may take. This file knows no models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sparse_autoencoder.errors import DeviceError, SaescopeError
from sparse_autoencoder.summarising import Room

_BYTES = 256  # that summarising an activation on a device takes: 248 were counted, on the way to 12 that stay
_SHARE = 8  # of a device's memory, one in so many parts is for that


def check_device(device: str) -> None:
    """DeviceError unless there is such a device here and it has what summaries are made of.

    That is integers and floating point of 64 bits, sorting, and a way back to the host.
    """
    try:
        numbers = torch.zeros(2, device=device)
    except Exception as error:  # by the kind of device it is almost any
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
    """Where models are put on a device: SaescopeError if its memory is too small for them."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise SaescopeError(
            f"the memory of {device} is too small for the models ({_reason(error)}): take --precision bfloat16, a "
            "smaller autoencoder, or a device that nothing else uses"
        ) from error


def room_on(device: torch.device) -> Room:
    """How much is summarised at once on a device, unless memory is short."""
    if device.type == "cpu":
        return Room()
    room = Room(workers=1)  # each further one would take as much memory again
    if device.type == "cuda":
        room.activations = max(
            room.activations, torch.cuda.get_device_properties(device).total_memory // _SHARE // _BYTES
        )
    return room


def _reason(error: Exception) -> str:
    """The first sentence: some go on to list everything that there is."""
    return str(error).split("\n", 1)[0].split(". ", 1)[0].rstrip(".")
