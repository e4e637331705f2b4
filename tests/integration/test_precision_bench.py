"""`python -m benchmarks.precision --quick` compares what it should."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.agreement import PrecisionResults
from benchmarks.performance_table import PAGE

REPOSITORY = Path(__file__).parents[2]
PRECISIONS = ["float32", "tf32", "bfloat16"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[PrecisionResults, str]:
    """What a quick benchmark wrote and printed."""
    folder = tmp_path_factory.mktemp("results")
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.precision", "--quick", "--results", str(folder)]
    page = PAGE.read_bytes()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    assert PAGE.read_bytes() == page
    written = (folder / "precision.json").read_text(encoding="utf-8")
    return PrecisionResults.model_validate_json(written), done.stdout


def test_trained_and_random_models_are_compared_in_every_precision(results: tuple[PrecisionResults, str]) -> None:
    trained, random = results[0].samples
    assert (trained.rows, trained.latents, random.rows, random.latents) == (60, 2048, 60, 256)
    for sample in (trained, random):
        assert sample.tokens > 500
        assert [agreement.precision for agreement in sample.agreements] == PRECISIONS


def test_that_tf32_is_emulated_is_said(results: tuple[PrecisionResults, str]) -> None:
    for sample in results[0].samples:
        assert [agreement.emulated for agreement in sample.agreements] == [False, True, False]
    assert "TF32 is emulated, as this was measured on a CPU" in results[1]
    assert "| float32 | tf32 (emulated) | bfloat16 |" in results[1]


def test_a_precision_with_fewer_bits_is_further_from_float64(results: tuple[PrecisionResults, str]) -> None:
    # units of the last place: 2^-24, 2^-11 and 2^-8
    limits = ((0, 1e-5), (1e-5, 1e-3), (1e-3, 1e-1))
    for sample in results[0].samples:
        for agreement, (least, most) in zip(sample.agreements, limits, strict=True):
            assert least <= agreement.error_median < most
