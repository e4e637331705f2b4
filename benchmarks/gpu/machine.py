"""What machine this is, and whether its device does anything at all."""

from __future__ import annotations

import platform

import numpy as np
import torch

from benchmarks.gpu.part_settings import Situation
from benchmarks.report.measurement_records import Hardware
from sparse_autoencoder.kernels.device_checks import check_device


def machine(situation: Situation) -> None:
    """Report machine and versions, and multiply."""
    check_device(situation.device)
    versions = {"python": platform.python_version(), "torch": str(torch.__version__), "numpy": np.__version__}
    if situation.has_gpu:
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        versions |= {"cuda": str(torch.version.cuda), "cudnn": str(cudnn)}
        versions["capability"] = ".".join(map(str, torch.cuda.get_device_capability()))
    situation.report.machine(Hardware.here(), versions)
    ones = torch.ones(64, 64, device=situation.device)
    situation.report.check("the device multiplies", float((ones @ ones).sum()) == 64**3)
