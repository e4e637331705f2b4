"""Do whole runs come out right on a device: every precision against float64, and a run against the same run again?"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow.parquet as pq

from benchmarks.gpu.compare_precisions import Agreement, compare
from benchmarks.gpu.part_settings import Situation
from benchmarks.gpu.recording_encoder import encode
from benchmarks.speed.workload import Target
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.kernels.precision import check_precision
from sparse_autoencoder.pipeline import chunk_encoder, single_process
from sparse_autoencoder.pipeline.load_inputs import load_tokens, open_rows
from sparse_autoencoder.runs.run_options import Precision, RunOptions
from sparse_autoencoder.runs.store import DirectoryStore
from sparse_autoencoder.summaries.summarise_torch import DeviceActivations
from sparse_autoencoder.tokens.chunks import Chunk, tokenise

_DEMO_ROWS, _RANDOM_ROWS, _QUICK_ROWS = 5_000, 1_500, 200


@dataclass(frozen=True)
class _Least:
    """How near a precision must come to float64: generous, as what is looked for are mistakes, not roundings."""

    common_latents: float
    error_99th: float  # at most


_NEAR: dict[Precision, _Least] = {
    "float64": _Least(0.9999, 1e-6),  # rounded to float32 when they are kept
    "float32": _Least(0.999, 1e-4),
    "tf32": _Least(0.98, 0.05),
    "bfloat16": _Least(0.95, 0.2),
}


def agreement(situation: Situation) -> None:
    """The demo's models against float64 on the CPU, random ones against float64 on the device; then whole runs."""
    quick = situation.quick or not situation.has_gpu
    demo = situation.demo_options(_QUICK_ROWS if quick else _DEMO_ROWS)
    _compare(situation, "demo", demo, demo.model_copy(update={"device": "cpu"}))
    target = Target(situation.device, "float64", situation.scale.latents[0])
    random = situation.setting.options(target, 60 if quick else _RANDOM_ROWS, chunk_rows=10_000)
    _compare(situation, "random models", random, random)
    _runs(situation, _QUICK_ROWS if quick else _DEMO_ROWS)


def _compare(situation: Situation, name: str, options: RunOptions, reference: RunOptions) -> None:
    tokens = load_tokens(options)
    with open_rows(options) as source:
        chunk: Chunk = tokenise(0, list(source), tokens.tokenizer, tokens.policy)
    exact = encode(reference, chunk, "float64")
    errors: dict[str, float] = {}
    for precision, least in _NEAR.items():
        try:
            check_precision(precision, situation.device)
        except SaescopeError as refused:
            situation.report.skip(f"{name} in {precision}", str(refused))
            continue
        found = compare(precision, exact, encode(options, chunk, precision))
        errors[precision] = found.error_median
        near = found.common_latents >= least.common_latents and found.error_99th <= least.error_99th
        situation.report.check(f"{name}: {precision} is near float64", near, _told(found))
    if "tf32" in errors:
        differ = errors["tf32"] > 10 * errors["float32"]
        situation.report.check(f"{name}: TF32 is on for tf32 and off for float32", differ, f"{errors}")


def _told(found: Agreement) -> str:
    return (
        f"{found.common_latents:.6f} of latents common, same sets at {found.identical_sets:.6f} of tokens, relative "
        f"error median {found.error_median:.1e}, 99th {found.error_99th:.1e}, largest {found.error_largest:.1e}, "
        f"examples that belong {found.top_examples_belonging:.4f}"
    )


def _runs(situation: Situation, rows: int) -> None:
    """Whole runs: on the device and on the CPU alike to rounding in float64, and the same bytes twice."""
    options = situation.demo_options(rows)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _summarised_as_on_a_device(situation):
            found = _run(options.model_copy(update={"precision": "float64"}), folder)
        expected = _run(options.model_copy(update={"precision": "float64", "device": "cpu"}), folder)
        same, detail = _alike(found, expected)
        situation.report.check("a run in float64 has the CPU's counts, and sums to rounding", same, detail)
        for precision in ("float32", "bfloat16"):
            twice = []
            for _time in range(2):
                with _summarised_as_on_a_device(situation):
                    twice.append(_run(options.model_copy(update={"precision": precision}), folder))
            differ = [path for path, data in _files(twice[0]).items() if _files(twice[1]).get(path) != data]
            what = f"the same run in {precision} gives the same bytes again"
            situation.report.check(what, not differ, ", ".join(differ))


@contextmanager
def _summarised_as_on_a_device(situation: Situation) -> Iterator[None]:
    """On a CPU that stands in for a GPU, summarise by torch too."""
    if situation.has_gpu:
        yield
        return
    with mock.patch.object(chunk_encoder, "activations_of", DeviceActivations):
        yield


def _run(options: RunOptions, folder: Path) -> Path:
    metadata = single_process.run(options, DirectoryStore(folder))
    if metadata.status != "complete":
        raise RuntimeError(f"the run is {metadata.status}: {metadata.failed_chunks}")
    return folder / metadata.run_id


def _files(run: Path) -> dict[str, bytes]:
    paths = (path for path in sorted(run.rglob("*")) if path.is_file() and path.name != "metadata.json")
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in paths}


def _alike(found: Path, expected: Path) -> tuple[bool, str]:
    """Whether nearly all features have the same count, and their sums differ by rounding."""
    tables = [pq.read_table(run / "overview.parquet").to_pydict() for run in (found, expected)]
    counts, sums = ([np.array(table[name]) for table in tables] for name in ("num_active_tokens", "sum_activation"))
    same = counts[0] == counts[1]
    error = np.abs(sums[0] - sums[1])[same] / np.maximum(sums[1][same], 1e-30)
    share, largest = float(same.mean()), float(error.max(initial=0))
    return share > 0.999 and largest < 1e-5, f"counts of {share:.6f} of the features, sums to {largest:.1e}"
