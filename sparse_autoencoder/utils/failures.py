"""What counts as a failure of a piece of work, how it is told, and whether the process may be trusted afterwards.

One rule for `saescope run` and for all services: whatever work raises is a failure of that work, but for what ends the
process (Ctrl-C, SystemExit). This file doesn't import torch.
"""

from __future__ import annotations

import sys
import traceback
from asyncio import CancelledError
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sparse_autoencoder.errors import SaescopeError

T = TypeVar("T")

# What isn't the work's failure but somebody's wish. Native code has BaseExceptions of its own, such as the panics of
# libraries written in Rust, which `except Exception` lets through: they are failures.
_ENDS_THE_PROCESS = (KeyboardInterrupt, SystemExit, GeneratorExit, CancelledError)
# How errors of CUDA and of the libraries on it begin, which reach Python as RuntimeErrors.
_CUDA_SIGNS = ("CUDA error", "CUDNN_STATUS", "cuDNN error", "CUBLAS_STATUS", "cuBLAS error", "HIP error", "NCCL error")


@dataclass(frozen=True)
class Failure:
    """A piece of work that failed."""

    error: BaseException

    @property
    def reason(self) -> str:
        """The failure in one line, for people."""
        return reason(self.error)

    @property
    def breaks_process(self) -> bool:
        """Whether this process can't compute any more: after an error of CUDA, whatever uses the GPU fails."""
        return breaks_process(self.error)

    @property
    def traceback(self) -> str:
        """Where it failed, for the log."""
        return "".join(traceback.format_exception(self.error)).rstrip()


def attempt(work: Callable[[], T], passing: tuple[type[Exception], ...] = ()) -> T | Failure:
    """Do a piece of work that may fail in any way; its result, or the failure.

    Raised on are the `passing` exceptions, which are nobody's failure, and what ends the process.
    """
    try:
        return work()
    except passing:
        raise
    except BaseException as error:
        if not is_failure(error):
            raise
        return Failure(error)


def is_failure(error: BaseException) -> bool:
    """Whether an exception is a failure of the work that raised it, and not a wish to end the process."""
    return not isinstance(error, _ENDS_THE_PROCESS)


def reason(error: BaseException) -> str:
    """An error in one line: the sentence of a SaescopeError, else its type and the first line that says something."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    if isinstance(error, SaescopeError) and line:
        return line
    name = type(error).__name__
    return f"{name}: {line}" if line else name


def breaks_process(error: BaseException) -> bool:
    """Whether nothing that this process computes can be trusted after an error, as after one of CUDA.

    Memory that is used up is none of them: the next, smaller piece of work may well fit.
    """
    torch = sys.modules.get("torch")
    out_of_memory, accelerator = getattr(torch, "OutOfMemoryError", ()), getattr(torch, "AcceleratorError", ())
    if isinstance(error, out_of_memory):
        return False
    text = str(error)
    if isinstance(error, accelerator):
        return True
    return isinstance(error, RuntimeError) and any(sign in text for sign in _CUDA_SIGNS)
