"""The kind of processor on which a run is computed: its name, and its fingerprint.

Processors whose kernels add in another order round differently, so a run gives the same bytes only on one kind of
processor. The fingerprint (processor_fingerprint.py) tells kinds apart by their results, not by their names.
"""

from __future__ import annotations

import platform
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparse_autoencoder.runs.run_options import Precision


def processor(device: str, precision: Precision) -> dict[str, str]:
    """The entry `processor` of metadata.json; SaescopeError if there is no such device, or it lacks the precision."""
    from sparse_autoencoder.pipeline.processor_fingerprint import fingerprint

    return {"fingerprint": fingerprint(device, precision), "name": name_of(device), "device": device}


@cache
def name_of(device: str) -> str:
    """The processor's name for users, such as "AMD EPYC (AVX512)" or "NVIDIA H200"."""
    import torch

    if device.partition(":")[0] == "cuda":
        return str(torch.cuda.get_device_name(device))
    if device != "cpu":
        return device
    return f"{cpu_model()} ({torch.backends.cpu.get_cpu_capability()})"


def cpu_model() -> str:
    """The processor's own name if the system tells it, else the architecture."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = re.findall(r"^model name\s*: (.+)$", info.read_text(), re.MULTILINE)
        if names:
            return str(names[0]).strip()
    return platform.machine()  # platform's other functions may start a program
