"""Two of the benchmarks' commands run to their end, measured quickly, and write what they measured."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "results"),
    [
        (["benchmarks.precision", "--quick"], "precision.json"),
        (["benchmarks.gpu", "--device", "cpu", "--quick", "--only", "machine", "summaries"], "gpu-cpu-*.json"),
    ],
    ids=["precision", "gpu"],
)
def test_a_benchmark_measures_and_writes_its_results(arguments: list[str], results: str, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", *arguments, "--results", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(tmp_path.glob(results))) == 1
