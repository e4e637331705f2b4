"""Metrics are their formulas over the dense latents of all counted tokens, zeros included."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray

from sparse_autoencoder.summaries.feature_metrics import FEATURE_METRICS, Totals

Floats = NDArray[np.float64]

# feature 0 fires everywhere alike, 1 once, 2 never, 3 and 4 as activations do
LATENTS = np.array(
    [
        [2.0, 0.0, 0.0, 0.5, 0.0],
        [2.0, 0.0, 0.0, 0.0, 1e-3],
        [2.0, 8.0, 0.0, 1.5, 300.0],
        [2.0, 0.0, 0.0, 2.5, 0.0],
    ]
)


def totals_of(latents: Floats) -> Totals:
    count = (latents > 0).sum(0).astype(np.float64)
    sum1, sum2, sum3, sum4 = ((latents**power).sum(0) for power in (1, 2, 3, 4))
    return Totals(len(latents), count, sum1, sum2, sum3, sum4, latents.max(0, initial=0.0))


def metrics_of(latents: Floats) -> dict[str, Floats]:
    return {metric.name: metric.compute(totals_of(latents)) for metric in FEATURE_METRICS}


def one_by_one(formula: Callable[[Floats], float]) -> list[float]:
    return [formula(column) for column in LATENTS.T]


def test_the_originals_metrics_come_first_and_all_are_named_once() -> None:
    names = [metric.name for metric in FEATURE_METRICS]
    assert names[:3] == ["mean_activation", "max_activation", "fraction_active"]
    assert len(set(names)) == len(names)
    assert all(metric.description.endswith(".") for metric in FEATURE_METRICS)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("mean_activation", lambda a: a.mean()),
        ("max_activation", lambda a: a.max()),
        ("fraction_active", lambda a: np.count_nonzero(a) / len(a)),
        ("mean_when_active", lambda a: a[a > 0].mean() if a.any() else 0.0),
        ("std", lambda a: a.std()),
        ("skew", lambda a: (a**3).mean() / (a**2).mean() ** 1.5 if a.any() else 0.0),
        ("kurtosis", lambda a: (a**4).mean() / (a**2).mean() ** 2 if a.any() else 0.0),
    ],
)
def test_a_metric_equals_its_formula(name: str, formula: Callable[[Floats], Any]) -> None:
    np.testing.assert_allclose(metrics_of(LATENTS)[name], one_by_one(formula), rtol=1e-12, atol=0)


def test_values_worked_out_by_hand() -> None:
    metrics = metrics_of(LATENTS)
    once = {name: values[1] for name, values in metrics.items()}
    assert once == pytest.approx(
        {
            "mean_activation": 2.0,
            "max_activation": 8.0,
            "fraction_active": 0.25,
            "mean_when_active": 8.0,
            "std": 12**0.5,  # E[a^2] = 16, E[a]^2 = 4
            "skew": 2.0,  # 128 / 16^1.5
            "kurtosis": 4.0,  # 1024 / 16^2
        }
    )


@given(st_numpy.arrays(np.float64, (5, 3), elements=st.sampled_from([0.0, 0.0, 1e-30, 1e-4, 0.1, 3.0, 1e4])))
def test_no_metric_is_ever_nan_infinite_or_negative(latents: Floats) -> None:
    for name, values in metrics_of(latents).items():
        assert np.isfinite(values).all(), name
        assert (values >= 0).all(), name


def test_a_dead_feature_is_zero_in_every_metric() -> None:
    assert {name: values[2] for name, values in metrics_of(LATENTS).items()} == dict.fromkeys(metrics_of(LATENTS), 0.0)


def test_without_a_counted_token_every_metric_is_zero() -> None:
    for values in metrics_of(np.zeros((0, 2))).values():
        assert values.tolist() == [0.0, 0.0]


METRICS = """
import numpy as np
from sparse_autoencoder.summaries.feature_metrics import FEATURE_METRICS, Totals
numbers = (np.arange(1, 20_001, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(11)) / 2.0**53
totals = Totals(1000, numbers, *(numbers * scale for scale in (1.1, 1.2, 1.3, 1.4)), numbers)
print(*(hash(metric.compute(totals).tobytes()) for metric in FEATURE_METRICS))
"""


def test_metrics_are_the_same_bytes_with_fewer_instructions() -> None:
    """Whoever publishes a run may have another processor than those who computed it."""

    def hashes(disabled: str) -> str:
        environment = os.environ | {"NPY_DISABLE_CPU_FEATURES": disabled, "PYTHONHASHSEED": "0"}
        command = [sys.executable, "-W", "ignore", "-c", METRICS]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert hashes("X86_V4 AVX512_ICL AVX512F AVX512_SKX") == hashes("")
