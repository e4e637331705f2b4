"""What a precision means to PyTorch: the type of weights and activations, and how float32 is multiplied meanwhile.

tf32 is float32 but for the multiplications, whose operands the device rounds to TensorFloat-32's 10 bits of mantissa
while it adds up in float32. This file knows no models.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from sparse_autoencoder.errors import DeviceError

if TYPE_CHECKING:
    from sparse_autoencoder.runs import Precision


def dtype_of(precision: Precision) -> torch.dtype:
    """The type of weights and activations."""
    dtype: torch.dtype = getattr(torch, "float32" if precision == "tf32" else precision)
    return dtype


def check_precision(precision: Precision, device: str) -> None:
    """DeviceError if the device hasn't got this precision; whether there is such a device isn't looked at."""
    if precision == "tf32" and not _has_tf32(device):
        raise DeviceError(
            f"--precision tf32 needs a GPU with TensorFloat-32, which the device '{device}' hasn't got: "
            "take float32, or bfloat16, which is faster"
        )


def _has_tf32(device: str) -> bool:
    if device.partition(":")[0] != "cuda":
        return False
    if not torch.cuda.is_available():  # loading a model says so
        return True
    with torch.cuda.device(device):
        return torch.cuda.is_tf32_supported()


@contextmanager
def multiplying(*, tf32: bool) -> Iterator[None]:
    """Multiply float32 in TF32, or exactly, whatever is set in this process; that is set again afterwards.

    Products of bfloat16 are added up in float32 throughout, and attention isn't left to cuDNN.
    PyTorch has one such setting for all threads of a process. Left alone it may round float32 unasked: where a CPU has
    instructions for it, also to bfloat16; and GPUs may add up partial sums of bfloat16 in bfloat16. On some GPUs its
    first choice for attention is cuDNN, which prepares itself anew for every shape of batch, and here nearly every
    batch has another: that was seen to take tenths of a second each (docs/decisions.md).
    """
    switches = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)  # type: ignore[attr-defined]
    before = [switch.fp32_precision for switch in switches]
    try:
        name = torch.get_float32_matmul_precision()
    except RuntimeError:  # there is no name for switches that were set one by one
        name = "highest"
    on_gpus = torch.backends.cuda.matmul
    reduced = on_gpus.allow_bf16_reduced_precision_reduction
    on_gpus.allow_bf16_reduced_precision_reduction = False
    cudnn_attends = torch.backends.cuda.cudnn_sdp_enabled()  # type: ignore[no-untyped-call]
    torch.backends.cuda.enable_cudnn_sdp(False)
    # by name, because PyTorch's compiler asks for it
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    try:
        yield
    finally:
        torch.backends.cuda.enable_cudnn_sdp(cudnn_attends)
        on_gpus.allow_bf16_reduced_precision_reduction = reduced
        torch.set_float32_matmul_precision(name)
        for switch, value in zip(switches, before, strict=True):
            switch.fp32_precision = value
