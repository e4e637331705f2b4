"""`python -m benchmarks.gpu --device cpu` does all of its parts with a CPU in the GPU's place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu.results import GpuResults, Part, read_results

REPOSITORY = Path(__file__).parents[2]
PARTS = ["machine", "summaries", "agreement", "end to end", "memory", "profile", "stages"]  # `tests` runs such as these


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Part]:
    folder = tmp_path_factory.mktemp("results")
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--quick", "--results", str(folder)]
    ended = subprocess.run(
        [*command, "--only", *PARTS], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (path,) = folder.iterdir()
    assert path.name.startswith("gpu-cpu-")
    results: GpuResults = read_results(path)
    assert [part.name for part in results.parts] == PARTS
    return {part.name: part for part in results.parts}


def test_every_part_passes(done: dict[str, Part]) -> None:
    assert {name: part.status for name, part in done.items()} == dict.fromkeys(PARTS, "passed")
    assert sum(len(part.checks) for part in done.values()) > 20


def test_what_only_a_gpu_has_is_said_to_be_skipped(done: dict[str, Part]) -> None:
    assert done["summaries"].skipped == ["too little memory: needs CUDA", "memory of a summary: needs CUDA"]
    assert done["memory"].skipped == ["how much memory is taken: needs CUDA's allocator"]
    assert [skipped.split(":")[0] for skipped in done["agreement"].skipped] == ["demo in tf32", "random models in tf32"]


def test_whole_runs_that_are_summarised_as_on_a_device_are_compared(done: dict[str, Part]) -> None:
    checks = {check.what: check.detail for check in done["agreement"].checks}
    assert checks["a run in float64 has the CPU's counts, and sums to rounding"].startswith("counts of 1.000000")
    assert "the same run in bfloat16 gives the same bytes again" in checks


def test_the_rows_of_the_benchmark_are_there(done: dict[str, Part]) -> None:
    names = {(record.name, record.precision) for record in done["end to end"].records + done["stages"].records}
    for precision in ("float32", "bfloat16"):
        for name in (
            "multiplication alone (GEMM)",
            "end to end",
            "subject model",
            "top-k",
            "encode (model, SAE, top-k)",
        ):
            assert (name, precision) in names


def test_a_block_is_profiled(done: dict[str, Part]) -> None:
    calls = {kernel.name for kernel in done["profile"].kernels if kernel.work == "computing"}
    assert "aten::index" in calls
