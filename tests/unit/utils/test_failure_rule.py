"""What counts as a failure, how it is told, and after which of them a process is of no more use."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable

import pytest
import torch

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.utils.failure_rule import Failure, attempt, is_failure, reason


def panic() -> BaseException:
    """What a tokenizer really raises whose pattern backtracks beyond its engine's limit: a panic in Rust."""
    from tokenizers import Regex, Tokenizer
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import Split

    tokenizer = Tokenizer(BPE({"a": 0}, []))
    tokenizer.pre_tokenizer = Split(Regex(r"(a+)+$"), "isolated")
    try:
        tokenizer.encode("a" * 40 + "c")
    except BaseException as error:
        return error
    raise AssertionError("it could be encoded")


def raising(error: BaseException) -> Callable[[], object]:
    def work() -> object:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SaescopeError("there is no such model"), "there is no such model"),
        (RuntimeError("too large\nwith details"), "RuntimeError: too large"),
        (RuntimeError("\n  second line"), "RuntimeError: second line"),
        (RuntimeError(), "RuntimeError"),
        (IndexError("index 5 is out of bounds"), "IndexError: index 5 is out of bounds"),
        (MemoryError(), "MemoryError"),
        (AssertionError(""), "AssertionError"),
        (SaescopeError(), "SaescopeError"),
        (KeyError("name"), "KeyError: 'name'"),
    ],
)
def test_whatever_work_raises_is_a_failure_told_in_one_line(error: Exception, told: str) -> None:
    failed = attempt(raising(error))
    assert isinstance(failed, Failure)
    assert failed.reason == reason(error) == told
    assert "in work" in failed.traceback


def test_a_panic_of_native_code_is_a_failure_too() -> None:
    error = panic()
    assert not isinstance(error, Exception)
    failed = attempt(raising(error))
    assert isinstance(failed, Failure)
    assert failed.reason.startswith("PanicException: ")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), GeneratorExit(), CancelledError()])
def test_what_ends_the_process_is_raised_on(error: BaseException) -> None:
    assert not is_failure(error)
    with pytest.raises(type(error)):
        attempt(raising(error))


def test_what_is_nobodys_failure_is_raised_on() -> None:
    with pytest.raises(ConnectionError):
        attempt(raising(ConnectionError()), passing=(OSError,))


def test_the_result_of_work_is_passed_on() -> None:
    assert attempt(lambda: 7) == 7


@pytest.mark.parametrize(
    ("error", "breaks"),
    [
        (RuntimeError("CUDA error: device-side assert triggered"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), True),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), False),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"), False),
        (SaescopeError("there was a CUDA error"), False),
        (IndexError("index out of range"), False),
    ],
)
def test_after_errors_of_cuda_a_process_is_of_no_more_use(error: Exception, breaks: bool) -> None:
    assert Failure(error).breaks_process is breaks


def test_errors_that_torch_names_as_an_accelerators_break_the_process() -> None:
    assert Failure(torch.AcceleratorError("device-side assert", 710)).breaks_process
