"""The command that is run where there is a GPU runs to its end, measured quickly, and writes what it measured."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_the_gpu_benchmark_measures_and_writes_its_results(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    flags = ["--device", "cpu", "--quick", "--only", "machine", "summaries", "--results", str(tmp_path)]
    command = [sys.executable, "-m", "benchmarks.gpu", *flags]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(tmp_path.glob("gpu-cpu-*.json"))) == 1
