"""Kinds of processors: what a fingerprint depends on, and that a run of one kind does not go on on another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.pipeline.processor_fingerprint import fingerprint, hash_of_results
from sparse_autoencoder.pipeline.processor_kind import cpu_model, name_of
from sparse_autoencoder.runs.run_options import Precision
from tests.support.runs import interrupted_run, make_world, one_thread

REPOSITORY = Path(__file__).resolve().parents[3]
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
only_with_more_than_avx2 = pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() != "AVX512",
    reason="this processor has nothing beyond AVX2 that could be left out",
)


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def fingerprint_with(**environment: str) -> str:
    imported = "from sparse_autoencoder.pipeline.processor_fingerprint import fingerprint"
    program = f"{imported}; print(fingerprint('cpu', 'float32'))"
    done = python("-c", program, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_fingerprint_is_the_same_in_every_process() -> None:
    assert fingerprint_with() == fingerprint("cpu", "float32")


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float64"])
def test_a_fingerprint_does_not_depend_on_the_number_of_threads(precision: Precision) -> None:
    before = torch.get_num_threads()
    found = {}
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found[threads] = hash_of_results("cpu", precision)
    finally:
        torch.set_num_threads(before)
    assert set(found.values()) == {fingerprint("cpu", precision)}, found
    assert torch.get_num_threads() == before


def test_precisions_have_fingerprints_of_their_own() -> None:
    with one_thread():
        assert len({fingerprint("cpu", precision) for precision in ("float32", "bfloat16", "float64")}) == 3


def test_a_device_or_precision_that_is_not_there_has_none() -> None:
    with pytest.raises(SaescopeError, match="the device 'cuda:77' can't be used on this machine"):
        fingerprint("cuda:77", "float32")
    with pytest.raises(SaescopeError, match="--precision tf32 needs a GPU"):
        fingerprint("cpu", "tf32")


def test_a_processors_name_says_what_its_instructions_are() -> None:
    assert name_of("cpu") == f"{cpu_model()} ({torch.backends.cpu.get_cpu_capability()})"


@only_with_more_than_avx2
def test_fewer_instructions_are_another_kind_of_processor() -> None:
    assert fingerprint_with(**AVX2) != fingerprint("cpu", "float32")


@only_with_more_than_avx2
def test_a_run_does_not_go_on_on_another_kind_of_processor(tmp_path: Path) -> None:
    world = make_world(tmp_path / "world")
    run_id = interrupted_run(world.options(), tmp_path / "runs", "prompts/000003.parquet")
    flags = ["--resume", run_id, "--output", str(tmp_path / "runs")]
    done = python("-m", "services.cli", "run", *flags, **AVX2)
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"saescope: run {run_id} can't be resumed here: it was begun on {cpu_model()} (AVX512) (kind "
    )
    assert f"and this is {cpu_model()} (AVX2) (kind " in done.stderr
