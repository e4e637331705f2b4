"""Taking the time of what runs on a device that works on its own."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch


def now(device: str) -> float:
    """The time, in seconds, when everything that the device was given is done."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def timed(call: Callable[[], object], device: str = "cpu") -> float:
    """Seconds that a call takes, the device's work included."""
    begin = now(device)
    call()
    return now(device) - begin
