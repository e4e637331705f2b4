"""What a precision does to the arithmetic, and where one is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.kernels.precision import check_precision, dtype_of, multiplying
from sparse_autoencoder.model import Autoencoder, TopK
from sparse_autoencoder.pipeline.chunk_encoder import Encoder
from sparse_autoencoder.pipeline.load_inputs import load_models
from sparse_autoencoder.runs.run_options import Precision, RunOptions
from sparse_autoencoder.summaries.feature_summary import SummarySpec
from sparse_autoencoder.summaries.summarise_numpy import SparseActivations
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.windows import windows_of

ON_CPUS: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
Setting = tuple[str, str]  # how GPUs and CPUs multiply float32


@pytest.fixture(autouse=True)
def unchanged_afterwards() -> Iterator[None]:
    """Let tests set how this process multiplies."""
    with multiplying(tf32=False):
        yield


def setting() -> Setting:
    return torch.backends.cuda.matmul.fp32_precision, ON_CPUS.fp32_precision


class Watched:
    """A language model of width 24 that gives random vectors, and notes how float32 is multiplied meanwhile."""

    name = "watched"
    n_layers, vocab_size, max_positions = 1, 300, 64
    device, dtype = torch.device("cpu"), torch.float32
    many_threads = False

    def __init__(self) -> None:
        self.seen: list[Setting] = []

    def width(self, _location: str, _layer_index: int) -> int:
        return 24

    def activations(self, tokens: Tensor, _location: str, _layer_index: int) -> Tensor:
        self.seen.append(setting())
        return torch.randn(*tokens.shape, 24, generator=torch.Generator().manual_seed(1))


def encoded(*, tf32: bool) -> tuple[list[Setting], SparseActivations]:
    """How an encoder multiplied, and what came out."""
    policy = TokenPolicy(bos_token_id=None, bos="none")
    windows = windows_of(np.arange(1), np.arange(30, dtype=np.int32), np.array([0, 30]), policy)
    torch.manual_seed(2)
    autoencoder = Autoencoder(64, 24, TopK(8)).requires_grad_(False)
    spec = SummarySpec(64, examples_per_feature=2, seed=0)
    subject = Watched()
    encoder = Encoder(subject, autoencoder, location="", layer_index=0, policy=policy, spec=spec, tf32=tf32)
    found = encoder.activations(windows)
    assert isinstance(found, SparseActivations)
    return subject.seen, found


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [
        ("float32", torch.float32),
        ("tf32", torch.float32),
        ("bfloat16", torch.bfloat16),
        ("float64", torch.float64),
    ],
)
def test_a_precision_is_a_type_of_weights_and_activations(precision: Precision, dtype: torch.dtype) -> None:
    assert dtype_of(precision) == dtype


def test_every_precision_that_can_be_chosen_has_a_type() -> None:
    assert {dtype_of(precision) for precision in get_args(Precision)} == {torch.float32, torch.bfloat16, torch.float64}


@pytest.mark.parametrize("ambient", ["highest", "high", "medium"])
def test_float32_is_not_rounded_whatever_the_process_has_set(ambient: str) -> None:
    _seen, exact = encoded(tf32=False)
    torch.set_float32_matmul_precision(ambient)
    seen, found = encoded(tf32=False)
    assert seen == [("ieee", "ieee")]
    for name in ("token", "feature", "value"):
        np.testing.assert_array_equal(getattr(found, name), getattr(exact, name))


def test_float32_is_not_rounded_when_everything_was_set_to_bfloat16() -> None:
    ON_CPUS.fp32_precision = "bf16"
    seen, _found = encoded(tf32=False)
    assert seen == [("ieee", "ieee")]


def test_tf32_is_how_an_encoder_multiplies_that_is_told_so() -> None:
    seen, _found = encoded(tf32=True)
    assert [gpu for gpu, _cpu in seen] == ["tf32"]


@pytest.mark.parametrize("tf32", [False, True])
@pytest.mark.parametrize("ambient", ["highest", "high", "medium"])
def test_what_the_process_has_set_is_set_again(ambient: str, tf32: bool) -> None:
    torch.set_float32_matmul_precision(ambient)
    before = setting()
    encoded(tf32=tf32)
    assert torch.get_float32_matmul_precision() == ambient
    assert setting() == before


def test_switches_that_were_set_one_by_one_are_set_again() -> None:
    ON_CPUS.fp32_precision = "bf16"
    with multiplying(tf32=True):
        assert setting()[0] == "tf32"
    assert setting() == ("ieee", "bf16")


def test_bfloat16_is_added_up_in_float32_meanwhile() -> None:
    on_gpus = torch.backends.cuda.matmul
    before = on_gpus.allow_bf16_reduced_precision_reduction
    with multiplying(tf32=False):
        assert on_gpus.allow_bf16_reduced_precision_reduction is False
    assert on_gpus.allow_bf16_reduced_precision_reduction == before


@pytest.mark.parametrize("ambient", [True, False])
def test_attention_is_not_left_to_cudnn_meanwhile(ambient: bool) -> None:
    torch.backends.cuda.enable_cudnn_sdp(ambient)
    with multiplying(tf32=False):
        assert not torch.backends.cuda.cudnn_sdp_enabled()  # type: ignore[no-untyped-call]
    assert torch.backends.cuda.cudnn_sdp_enabled() is ambient  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("tf32", [False, True])
def test_both_of_pytorch_s_ways_to_ask_are_answered_meanwhile_and_afterwards(tf32: bool) -> None:
    def asked() -> bool:
        return bool(torch.backends.cuda.matmul.allow_tf32)

    before = asked(), torch.get_float32_matmul_precision()
    with multiplying(tf32=tf32):
        assert asked() is tf32
        assert torch.get_float32_matmul_precision() == ("high" if tf32 else "highest")
    assert (asked(), torch.get_float32_matmul_precision()) == before


def test_what_the_process_has_set_is_set_again_after_an_error() -> None:
    torch.set_float32_matmul_precision("medium")
    with pytest.raises(ValueError, match="stop"), multiplying(tf32=False):
        raise ValueError("stop")
    assert setting() == ("tf32", "bf16")


def test_a_cpu_has_no_tf32_and_that_is_said_before_anything_is_looked_for() -> None:
    options = RunOptions(subject="no/such-model", precision="tf32", device="cpu")
    with pytest.raises(SaescopeError) as refused:
        load_models(options)
    assert str(refused.value) == (
        "--precision tf32 needs a GPU with TensorFloat-32, which the device 'cpu' lacks: "
        "take float32, or bfloat16, which is faster"
    )


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float64"])
@pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:1"])
def test_other_precisions_are_refused_nowhere(precision: Precision, device: str) -> None:
    check_precision(precision, device)


@pytest.mark.parametrize("has_tf32", [False, True])
def test_a_gpu_is_asked_whether_it_has_tf32(has_tf32: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device", nullcontext)
    monkeypatch.setattr(torch.cuda, "is_tf32_supported", lambda: has_tf32)
    with nullcontext() if has_tf32 else pytest.raises(SaescopeError, match="the device 'cuda:1' lacks"):
        check_precision("tf32", "cuda:1")


def test_that_there_is_no_gpu_is_left_to_what_loads_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    check_precision("tf32", "cuda")
