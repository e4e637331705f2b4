"""The kind of processor that a run is computed on: what it is called, and a fingerprint that says what it computes.

The same multiplication rounds differently on processors whose kernels add up in another order, so a run is the same
bytes on one kind only. The fingerprint (fingerprint.py) tells kinds apart by results, not by names. This file compares
what was recorded, and imports torch only to look at the processor.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sparse_autoencoder.errors import MixtureError

if TYPE_CHECKING:
    from sparse_autoencoder.runs import Precision

_SHOWN = 8  # digits of a fingerprint


class OtherProcessorError(MixtureError):
    """A run was begun on another kind of processor than this one."""


def processor(device: str, precision: Precision) -> dict[str, str]:
    """What metadata.json says of the processor; SaescopeError if there is no such device, or not in that precision."""
    from sparse_autoencoder.fingerprint import fingerprint

    return {"fingerprint": fingerprint(device, precision), "name": name_of(device), "device": device}


def check_processor(run_id: str, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """OtherProcessorError if a run that was begun on one would go on on another kind."""
    if before["fingerprint"] != now["fingerprint"]:
        raise OtherProcessorError(
            f"run {run_id} can't be resumed here: it was begun on {_described(before)}, and this is {_described(now)}, "
            "which rounds differently; resume it on a processor of the first kind, or start a new run"
        )


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


def _described(processor: Mapping[str, str]) -> str:
    return f"{processor['name']} (kind {processor['fingerprint'][:_SHOWN]})"
