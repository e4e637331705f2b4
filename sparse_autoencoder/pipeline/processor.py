"""The kind of processor that a run is computed on: what it is called, and a fingerprint that says what it computes.

The same multiplication rounds differently on processors whose kernels add up in another order, so a run is the same
bytes on one kind only. The fingerprint (fingerprint.py) tells kinds apart by results, not by names. This file compares
what was recorded, and imports torch only to look at the processor.
"""

from __future__ import annotations

import platform
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparse_autoencoder.runs.options import Precision


def processor(device: str, precision: Precision) -> dict[str, str]:
    """What metadata.json says of the processor; SaescopeError if there is no such device, or not in that precision."""
    from sparse_autoencoder.pipeline.fingerprint import fingerprint

    return {"fingerprint": fingerprint(device, precision), "name": name_of(device), "device": device}


@cache
def name_of(device: str) -> str:
    """The processor's name for people, such as "AMD EPYC (AVX512)" or "NVIDIA H200"."""
    import torch

    if device.partition(":")[0] == "cuda":
        return str(torch.cuda.get_device_name(device))
    if device != "cpu":
        return device
    return f"{cpu_model()} ({torch.backends.cpu.get_cpu_capability()})"


def cpu_model() -> str:
    """The name that the processor gives itself, as far as the system says."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = re.findall(r"^model name\s*: (.+)$", info.read_text(), re.MULTILINE)
        if names:
            return str(names[0]).strip()
    return platform.machine()  # the rest of platform may start a program to find out
