"""`python -m benchmarks.speed.compare --quick` measures all that it should; what it compares with is right."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.report.performance_table import PAGE
from benchmarks.report.results import Results, read_all
from benchmarks.speed.original_loop import OriginalLoop
from benchmarks.speed.plain_batched import PlainBatched
from benchmarks.speed.setting import QUICK
from benchmarks.speed.start_up import STARTING
from sparse_autoencoder.model import Autoencoder
from sparse_autoencoder.subjects.subject import load_subject
from sparse_autoencoder.subjects.transformer_lens import BridgeSubject
from tests.support.runs import LAYER, World, one_thread

REPOSITORY = Path(__file__).parents[2]
PRECISIONS = ("float32", "bfloat16")
SMALL, LARGE = QUICK.latents
Kinds = set[tuple[str | None, int | None]]
ROWS = [[8, 1, 2, 3], [8, 4, 5], [8, 6, 7, 1, 2]]  # token ids; the first stands for BOS
LOCATION = "resid_post_mlp"


def kinds(precisions: Sequence[str | None], latents: Sequence[int | None]) -> Kinds:
    return set(product(precisions, latents))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, str]:
    """What a quick benchmark wrote and printed."""
    folder = tmp_path_factory.mktemp("results")
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.speed.compare", "--quick", "--rows", "70", "--results", str(folder)]
    page = PAGE.read_bytes()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    assert PAGE.read_bytes() == page
    (written,) = read_all(folder)
    return written, done.stdout


def test_every_record_is_written(results: tuple[Results, str]) -> None:
    every = kinds(PRECISIONS, QUICK.latents)
    expected = {
        "multiplication alone (GEMM)": every,
        "the original's loop, re-enacted": kinds(["float32"], [SMALL]),
        "plain batches, dense latents": kinds(PRECISIONS, [SMALL]),
        "end to end": every,
        "end to end, before publishing": every,
        "publishing": every,
        "end to end, long run": kinds(["bfloat16"], [SMALL]),
        "read": kinds([None], [None]),
        "tokenise": kinds([None], [None]),
        "cut windows": kinds([None], [None]),
        "summarise": kinds([None], QUICK.latents),
        "merge": kinds([None], QUICK.latents),
        "write rows": kinds([None], QUICK.latents),
        "subject model": kinds(PRECISIONS, [None]),
        "SAE matmul": every,
        "SAE matmul and top-k": every,
        "top-k": every,
        "encode (model, SAE, top-k)": kinds(PRECISIONS, [SMALL]),
    }
    found: dict[str, Kinds] = {}
    for record in results[0].records:
        if record.measured and record.name not in STARTING:
            assert record.device == "cpu"
            assert record.tokens_per_s is not None
            assert record.tokens_per_s > 0
            found.setdefault(record.name, set()).add((record.precision, record.latents))
    assert found == expected


def test_what_needs_a_gpu_says_that_it_was_not_measured(results: tuple[Results, str]) -> None:
    unmeasured = {(r.name, r.precision, r.latents) for r in results[0].records if r.device == "cuda"}
    names = ("multiplication alone (GEMM)", "end to end")
    assert unmeasured == set(product(names, ("float32", "tf32", "bfloat16"), (SMALL, LARGE)))
    assert results[0].hardware.gpu is None
    assert "GPU, bfloat16, end to end: tokens/s" in results[1]


def test_starting_is_timed(results: tuple[Results, str]) -> None:
    seconds = {r.name: r.seconds for r in results[0].records if r.name in STARTING}
    assert set(seconds) == {"saescope run --help", "saescope run, demo models, 1,000 rows"}
    assert all(value is not None and value > 0 for value in seconds.values())


def test_each_promise_has_a_verdict(results: tuple[Results, str]) -> None:
    lines = [line for line in results[1].splitlines() if line.startswith(("CPU, ", "GPU, ", "saescope "))]
    assert len(lines) == 13
    assert all(line.endswith(("  met", "  MISSED", "  not measured")) for line in lines)


def test_the_original_loop_counts_what_the_dense_latents_hold_bos_too(world: World) -> None:
    autoencoder = Autoencoder.from_state_dict(torch.load(world.topk, weights_only=True))
    loop = OriginalLoop(world.subject, autoencoder, LOCATION, LAYER, "cpu")
    for number, row in enumerate(ROWS):
        loop.add_row(number, row)
    by_row = [dense_latents(world, autoencoder, row) for row in ROWS]
    dense = torch.cat(by_row)
    assert loop.n_tokens == 12
    assert loop.counts.tolist() == (dense > 0).sum(0).tolist()
    np.testing.assert_allclose(loop.sums, dense.sum(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(loop.maxima, dense.max(0).values, rtol=1e-4, atol=1e-5)
    for feature, heap in enumerate(loop.heaps):
        for activation, _number, row_number, position in heap:
            assert activation == pytest.approx(float(by_row[row_number][position, feature]), rel=1e-4)
    assert sum(map(len, loop.heaps)) == sum(int((of_row > 0).sum(1).clamp(max=5).sum()) for of_row in by_row)


def test_plain_batches_count_what_the_dense_latents_hold_without_bos_and_padding(world: World) -> None:
    autoencoder = Autoencoder.from_state_dict(torch.load(world.topk, weights_only=True))
    subject = BridgeSubject(world.subject, {"vocab_size": 300, "n_positions": 32, "model_type": "gpt2"})
    batched = PlainBatched(subject, autoencoder, LOCATION, LAYER, first_counted=1)
    batched.add_rows(ROWS[:2])
    batched.add_rows(ROWS[2:])
    dense = torch.cat([dense_latents(world, autoencoder, row)[1:] for row in ROWS])
    assert batched.n_tokens == 9
    assert batched.counts.tolist() == (dense > 0).sum(0).tolist()
    torch.testing.assert_close(batched.sums, dense.sum(0).double(), rtol=1e-4, atol=1e-5)
    expected = dense.sort(dim=0, descending=True).values
    torch.testing.assert_close(batched.top_values[:9], expected, rtol=1e-4, atol=1e-5)


def dense_latents(world: World, autoencoder: Autoencoder, row: list[int]) -> Tensor:
    """The latents at each token of a row [tokens, features], by our own code."""
    with one_thread(), torch.inference_mode():
        hidden = load_subject(world.subject).activations(torch.tensor([row]), LOCATION, LAYER)
        return autoencoder.encode(hidden[0])[0]
