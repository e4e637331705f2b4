"""Blocks that are summarised in parts, for want of memory, give the bits of blocks that are not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.overrides import TorchFunctionMode

from benchmarks.summaries.summary_speed import make_block
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec
from sparse_autoencoder.summaries.summarise_in_background import MemoryBudget, NoMemoryError, summarise_blocks
from sparse_autoencoder.summaries.summarise_numpy import SparseActivations
from sparse_autoencoder.summaries.summarise_torch import DeviceActivations
from sparse_autoencoder.summaries.summariser_interface import Activations, RowFeatures
from sparse_autoencoder.summaries.text_sums import RowTexts
from sparse_autoencoder.tokens.windows import Windows
from tests.support.devices import on_each_device
from tests.support.oracle import OracleWindow
from tests.support.same_bits import assert_same_bits
from tests.support.summaries import datasets, to_activations, to_windows

SPEC = SummarySpec(n_features=5, examples_per_feature=2, seed=3)
PER_ROW = 2


def in_numpy(activations: SparseActivations) -> Activations:
    return activations


def on_device(device: str) -> Callable[[SparseActivations], Activations]:
    @torch.inference_mode()  # as when a model has computed them
    def moved(activations: SparseActivations) -> Activations:
        columns = (activations.token, activations.feature, activations.value)
        return DeviceActivations(*(torch.tensor(column).to(device) for column in columns))

    return moved


Moved = Callable[[SparseActivations], Activations]
everywhere = pytest.mark.parametrize(
    "moved",
    [
        pytest.param(in_numpy, id="numpy"),
        pytest.param(on_device("cpu"), id="torch"),
        pytest.param(
            on_device("cuda"),
            id="cuda",
            marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU"),
        ),
    ],
)


def summarised(
    block: Windows, activations: Activations, spec: SummarySpec = SPEC, memory: MemoryBudget | None = None
) -> tuple[Summary, list[RowFeatures]]:
    rows = RowTexts.all_different(block)
    return summarise_blocks([(block, activations)], rows, spec, per_row=PER_ROW, memory=memory)


def strongest(rows: list[RowFeatures]) -> list[tuple[int, float, int, int, int]]:
    """What is left of rows that come in parts, as the prompts file has it."""
    columns = (
        np.concatenate([getattr(part, name) for part in rows]).tolist()
        for name in ("row_id", "value", "feature", "window", "position")
    )
    best: dict[tuple[int, int], tuple[float, int, int]] = {}
    for row_id, value, feature, window, position in zip(*columns, strict=True):
        found = (-value, window, position)
        best[row_id, feature] = min(found, best.get((row_id, feature), found))
    listed = sorted((row_id, found[0], feature, found[1], found[2]) for (row_id, feature), found in best.items())
    return [entry for i, entry in enumerate(listed) if [e[0] for e in listed[:i]].count(entry[0]) < PER_ROW]


@everywhere
@given(datasets(n_features=5, max_rows=20), st.integers(1, 30), st.sampled_from([0, 1, 2]))
def test_however_small_the_parts_of_a_block_are_its_summary_is_the_same_bits(
    moved: Moved, windows: list[OracleWindow], at_once: int, workers: int
) -> None:
    block, activations = to_windows(windows), to_activations(windows, 1)
    expected, expected_rows = summarised(block, activations)
    memory = MemoryBudget(activations=at_once, workers=workers, least=1)
    summary, rows = summarised(block, moved(activations), memory=memory)
    assert_same_bits(summary, expected)
    assert strongest(rows) == strongest(expected_rows)
    assert memory.activations == at_once


@everywhere
def test_sums_that_round_are_rounded_once_however_a_block_is_cut(moved: Moved) -> None:
    random = np.random.default_rng(1)
    windows = [
        OracleWindow(row, 0, [0, row, 2], np.exp(random.normal(0, 8, (3, 5))).astype(np.float32).astype(np.float64))
        for row in range(400)
    ]
    block, activations = to_windows(windows), to_activations(windows, 1)
    expected, _rows = summarised(block, activations)
    for at_once in (1, 7, 100, 1000):
        found, _rows = summarised(block, moved(activations), memory=MemoryBudget(activations=at_once, least=1))
        assert_same_bits(found, expected)


@everywhere
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_the_same_error_however_a_block_is_cut(moved: Moved, bad: float) -> None:
    windows = [OracleWindow(row, 0, [0, row], np.ones((2, 5))) for row in (41, 42, 45)]
    activations = to_activations(windows, 1)
    activations.value[len(activations) // 2] = bad
    with pytest.raises(SaescopeError, match="not finite in the rows 41 to 45"):
        summarised(to_windows(windows), moved(activations), memory=MemoryBudget(activations=1, least=1))


class SmallDevice(TorchFunctionMode):
    """A device that can't sort more numbers at once than this: its allocator raises what CUDA's does."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.refused: list[int] = []

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is torch.sort and len(args[0]) > self.most:
            self.refused.append(len(args[0]))
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nMore about that")
        return function(*args, **(kwargs or {}))


@on_each_device
def test_a_device_without_memory_for_a_block_is_given_parts_of_it(device: str) -> None:
    block, activations = make_block(np.random.default_rng(0), 0, n_features := 512)
    block, activations = block.run(0, 500), activations.between(0, int(block.starts[500]))
    spec = SummarySpec(n_features, examples_per_feature=20, seed=1)
    expected, _rows = summarised(block, activations, spec)
    memory = MemoryBudget(workers=0)  # the mode is this thread's
    with SmallDevice(most=90_000) as small:
        found, rows = summarised(block, on_device(device)(activations), spec, memory)
    assert_same_bits(found, expected)
    assert small.refused == [256_000, 128_000]
    assert memory.activations == 64_000  # which is remembered: further blocks are cut at once
    assert len(rows) == 4


def test_without_memory_for_a_small_part_it_is_given_up() -> None:
    block, activations = make_block(np.random.default_rng(0), 0, n_features := 512)
    spec = SummarySpec(n_features, examples_per_feature=20, seed=1)
    with SmallDevice(most=1000), pytest.raises(NoMemoryError) as given_up:
        summarised(block, on_device("cpu")(activations), spec, MemoryBudget(workers=0))
    assert str(given_up.value) == (
        "there is no memory to summarise 4,096 activations at once: CUDA out of memory. Tried to allocate 20.00 GiB."
    )


def test_an_error_that_is_not_about_memory_is_not_taken_for_it() -> None:
    class Broken(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if function is torch.sort:
                raise RuntimeError("CUDA error: an illegal memory access was encountered")
            return function(*args, **(kwargs or {}))

    block, activations = make_block(np.random.default_rng(0), 0, 512)
    with Broken(), pytest.raises(RuntimeError, match="illegal memory access"):
        summarised(block, on_device("cpu")(activations), SummarySpec(512, 20, 1), MemoryBudget(workers=0))


# A process that may take less memory than summarising a block at once needs. It prints how much it then did at once.
SMALL_PROCESS = """
import resource
import numpy as np
from benchmarks.summaries.summary_speed import make_block
from sparse_autoencoder.summaries.summarise_in_background import MemoryBudget, summarise_blocks
from sparse_autoencoder.summaries.feature_summary import SummarySpec
from sparse_autoencoder.summaries.text_sums import RowTexts
from tests.support.same_bits import assert_same_bits

spec = SummarySpec(512, examples_per_feature=20, seed=1)
made = make_block(np.random.default_rng(0), 0, spec.n_features)
rows = RowTexts.all_different(made[0])
expected, _rows = summarise_blocks([made], rows, spec, per_row=1, memory=MemoryBudget(workers=0))
in_use = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (in_use + (80 << 20), resource.RLIM_INFINITY))
memory = MemoryBudget(workers=0)
found, _rows = summarise_blocks([made], rows, spec, per_row=1, memory=memory)
assert_same_bits(found, expected)
print(memory.activations)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process's memory are Linux's here")
def test_a_process_without_memory_for_a_block_summarises_parts_of_it() -> None:
    done = subprocess.run([sys.executable, "-c", SMALL_PROCESS], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert 4096 < int(done.stdout) < 1 << 21  # a block has 2^21
