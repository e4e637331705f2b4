"""Copies from the host to a device that don't make the host wait for what the device is computing."""

from __future__ import annotations

import torch
from torch import Tensor


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device; on its way there, if that is a GPU: whatever is queued there next finds it arrived."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        # only from memory that can't be swapped out does a GPU copy by itself
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
