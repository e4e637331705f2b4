"""Which exceptions count as a failed piece of work, how they are reported, and whether the process can still compute.

There is one rule for `saescope run` and all services: every exception is a failure of the work that raised it, except
those that end the process (Ctrl-C, SystemExit). Importing this file doesn't import torch.
"""

import sys
import traceback
from asyncio import CancelledError
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sparse_autoencoder.errors import SaescopeError

T = TypeVar("T")

# Requests to stop, which are no failures. Other BaseExceptions are failures: libraries written in Rust raise their
# panics as BaseExceptions of their own, which `except Exception` doesn't catch.
_ENDS_THE_PROCESS = (KeyboardInterrupt, SystemExit, GeneratorExit, CancelledError)
# How messages of CUDA and its libraries begin; PyTorch raises these as RuntimeErrors.
_CUDA_SIGNS = ("CUDA error", "CUDNN_STATUS", "cuDNN error", "CUBLAS_STATUS", "cuBLAS error", "HIP error", "NCCL error")


@dataclass(frozen=True)
class Failure:
    """A piece of work that failed."""

    error: BaseException

    @property
    def reason(self) -> str:
        """The failure in one line, for users."""
        return reason(self.error)

    @property
    def breaks_process(self) -> bool:
        """Whether this process can't compute any more: after an error of CUDA everything on the GPU fails.

        Running out of memory is not such an error: the next, smaller piece of work may fit.
        """
        torch = sys.modules.get("torch")
        if isinstance(self.error, getattr(torch, "OutOfMemoryError", ())):
            return False
        if isinstance(self.error, getattr(torch, "AcceleratorError", ())):
            return True
        return isinstance(self.error, RuntimeError) and any(sign in str(self.error) for sign in _CUDA_SIGNS)

    @property
    def traceback(self) -> str:
        """The traceback, for the log."""
        return "".join(traceback.format_exception(self.error)).rstrip()


def attempt(work: Callable[[], T], passing: tuple[type[Exception], ...] = ()) -> T | Failure:
    """Do a piece of work; return its result, or the failure if it raised.

    The `passing` exceptions are raised again, and so are those that end the process.
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
    """Whether an exception is a failure of the work that raised it, not a request to end the process."""
    return not isinstance(error, _ENDS_THE_PROCESS)


def first_line(error: BaseException) -> str:
    """What an error says, where a sentence goes on with it: its first line without its type, or else its type."""
    return str(error).partition("\n")[0] or type(error).__name__


def reason(error: BaseException) -> str:
    """An error in one line: the sentence of a SaescopeError, else its type and the first line that says something."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    if isinstance(error, SaescopeError) and line:
        return line
    name = type(error).__name__
    return f"{name}: {line}" if line else name
