"""What a run's precision means in PyTorch: the dtype of weights and activations, and how float32 is multiplied.

tf32 is float32, except in matrix products: there the device rounds the operands to TensorFloat-32 (10 bits of mantissa)
and accumulates in float32.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sparse_autoencoder.errors import DeviceError


def dtype_of(precision: str) -> torch.dtype:
    """The type of weights and activations."""
    dtype: torch.dtype = getattr(torch, "float32" if precision == "tf32" else precision)
    return dtype


def check_precision(precision: str, device: str) -> None:
    """Raise DeviceError if the device lacks this precision. Whether the device exists is not checked."""
    if precision == "tf32" and not _has_tf32(device):
        raise DeviceError(
            f"--precision tf32 needs a GPU with TensorFloat-32, which the device '{device}' lacks: "
            "take float32, or bfloat16, which is faster"
        )


def _has_tf32(device: str) -> bool:
    if device.partition(":")[0] != "cuda":
        return False
    if not torch.cuda.is_available():  # then loading a model reports it
        return True
    with torch.cuda.device(device):
        return torch.cuda.is_tf32_supported()


@contextmanager
def multiplying(*, tf32: bool) -> Iterator[None]:
    """In this block, multiply float32 in TF32 or in full float32; the process's settings are restored afterwards.

    Products of bfloat16 accumulate in float32, and attention doesn't use cuDNN. These PyTorch settings are shared by
    all threads of the process. With PyTorch's defaults, float32 products may be rounded, on some CPUs even to bfloat16,
    and GPUs may accumulate bfloat16 products in bfloat16. On some GPUs cuDNN is the first choice for attention, but it
    prepares a plan for each new batch shape, which was seen to take tenths of a second, and here nearly every batch has
    a new shape (docs/decisions.md).
    """
    switches = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)  # type: ignore[attr-defined]
    before = [switch.fp32_precision for switch in switches]
    try:
        name = torch.get_float32_matmul_precision()
    except RuntimeError:  # the switches were set one by one, and have no common name
        name = "highest"
    on_gpus = torch.backends.cuda.matmul
    reduced = on_gpus.allow_bf16_reduced_precision_reduction
    on_gpus.allow_bf16_reduced_precision_reduction = False
    cudnn_attends = torch.backends.cuda.cudnn_sdp_enabled()  # type: ignore[no-untyped-call]
    torch.backends.cuda.enable_cudnn_sdp(False)
    # by the common name, because PyTorch's compiler reads that
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    try:
        yield
    finally:
        torch.backends.cuda.enable_cudnn_sdp(cudnn_attends)
        on_gpus.allow_bf16_reduced_precision_reduction = reduced
        torch.set_float32_matmul_precision(name)
        for switch, value in zip(switches, before, strict=True):
            switch.fp32_precision = value
