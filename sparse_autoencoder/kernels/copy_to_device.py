"""Copies from the host to a device that don't wait for what the device is computing."""

import torch
from torch import Tensor


def copy_to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy to the device without blocking. Later work on the same stream sees the data."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        # only a copy from pinned (page-locked) memory can be asynchronous
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
