"""Has a device's summary of a block numpy's bits, also in parts and with too little memory; and what does it take?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from benchmarks.gpu.part_settings import Situation
from benchmarks.speed.device_timing import timed
from benchmarks.summaries.summary_speed import make_block
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec
from sparse_autoencoder.summaries.summarise_in_background import MemoryBudget, summarise_blocks
from sparse_autoencoder.summaries.summarise_numpy import SparseActivations
from sparse_autoencoder.summaries.summarise_torch import DeviceActivations
from sparse_autoencoder.summaries.summariser_interface import Activations, RowFeatures
from sparse_autoencoder.summaries.text_sums import RowTexts
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.windows import Windows, windows_of
from tests.support.same_bits import assert_same_bits

FEATURES = 32_768
_SPEC = SummarySpec(FEATURES, examples_per_feature=20, seed=1)
_EXTREMES = np.array([1e-45, 3e-42, 1.1754944e-38, 0.2, 0.2000001, 0.4, 1.0, 250.0, 5e8, 3.4028235e38], np.float32)
_IN_PARTS = 100_000
_TIMES = 5


@dataclass(frozen=True)
class _Block:
    name: str
    windows: Windows
    activations: SparseActivations


def summaries(situation: Situation) -> None:
    """Compare blocks of several kinds, whole and in parts; measure time and memory of one."""
    blocks = _blocks(quick=situation.quick or not situation.has_gpu)
    for block in blocks:
        expected = _summarised(block, block.activations)
        for name, memory in (("", MemoryBudget(1 << 30)), (", in parts", MemoryBudget(_IN_PARTS, least=1))):
            found = _summarised(block, _moved(block.activations, situation.device), memory)
            _compare(situation, f"{block.name}{name}", found, expected)
    largest = blocks[0]
    situation.only_on_a_gpu("too little memory", lambda: _with_too_little_memory(situation, largest))
    _measure(situation, largest)


def _blocks(*, quick: bool) -> list[_Block]:
    random = np.random.default_rng(0)
    windows, activations = make_block(random, 0, FEATURES)
    if quick:
        windows = windows.run(0, 256)
        activations = activations.between(0, len(windows.tokens))
    extreme = replace(activations, value=random.choice(_EXTREMES, len(activations)))
    some = windows.run(0, len(windows) // 8)
    dense_token, dense_feature = np.nonzero(random.random((len(some.tokens), FEATURES // 16)) < 0.1)
    dense = SparseActivations(
        dense_token.astype(np.int32),
        dense_feature.astype(np.int32),
        random.gamma(2.0, 2.0, len(dense_token)).astype(np.float32),
    )
    return [
        _Block("a block", windows, activations),
        _Block("denormal, equal and huge values", windows, extreme),
        _Block("hundreds active at a token", some, dense),
        _Block("texts that come again", *_again(some, activations.between(0, len(some.tokens)))),
    ]


def _again(windows: Windows, activations: SparseActivations) -> tuple[Windows, SparseActivations]:
    """The windows three times, as other rows."""
    n_tokens, n_rows = len(windows.tokens), len(windows)
    starts = np.concatenate([windows.starts[:-1] + n_tokens * i for i in range(3)] + [np.array([3 * n_tokens])])
    rows = np.arange(3 * n_rows)
    times = TokenPolicy(bos_token_id=None, bos="none")
    return windows_of(rows, np.tile(windows.tokens, 3), starts, times), SparseActivations(
        np.concatenate([activations.token + np.int32(n_tokens * i) for i in range(3)]),
        np.tile(activations.feature, 3),
        np.tile(activations.value, 3),
    )


@torch.inference_mode()
def _moved(activations: SparseActivations, device: str) -> DeviceActivations:
    columns = (activations.token, activations.feature, activations.value)
    return DeviceActivations(*(torch.tensor(column).to(device) for column in columns))


def _summarised(
    block: _Block, activations: Activations, memory: MemoryBudget | None = None
) -> tuple[Summary, list[RowFeatures]]:
    rows = RowTexts.all_different(block.windows)
    return summarise_blocks([(block.windows, activations)], rows, _SPEC, per_row=10, memory=memory)


def _compare(
    situation: Situation,
    name: str,
    found: tuple[Summary, list[RowFeatures]],
    expected: tuple[Summary, list[RowFeatures]],
) -> None:
    problem = ""
    try:
        assert_same_bits(found[0], expected[0])
        if len(found[1]) == 1:  # in parts, rows' features come in parts too
            assert_same_bits(found[1][0], expected[1][0])
    except AssertionError as error:
        problem = " ".join(str(error).split())[:500] or "they differ"
    situation.report.check(f"{name}: numpy's bits", not problem, problem)


def _with_too_little_memory(situation: Situation, block: _Block) -> None:
    """Let the allocator refuse what a whole block takes, for real."""
    expected = _summarised(block, block.activations)
    moved = _moved(block.activations, situation.device)
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    allowed = torch.cuda.memory_reserved() + 80 * len(block.activations)  # bytes; a whole block takes three times that
    torch.cuda.set_per_process_memory_fraction(allowed / total)
    memory = MemoryBudget(1 << 30, workers=1)
    try:
        found = _summarised(block, moved, memory)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    _compare(situation, "with too little memory for a whole block", found, expected)
    situation.report.check(
        "what was too large was halved", memory.activations < len(block.activations), f"{memory.activations:,} at once"
    )


def _measure(situation: Situation, block: _Block) -> None:
    """Time and memory of one block."""
    moved = _moved(block.activations, situation.device)
    number = len(block.activations)

    def once() -> None:
        summariser = moved.summariser(block.windows, _SPEC)
        summariser.unrounded()
        summariser.row_features(10)

    once()  # warm
    seconds = min(timed(once, situation.device) for _time in range(_TIMES))
    situation.report.figure("summarising, fastest of five", number / seconds, "activations/s")
    situation.report.figure("the same in tokens", len(block.windows.tokens) / seconds, "tokens/s")

    def memory() -> None:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        once()
        taken = torch.cuda.max_memory_allocated() - before
        situation.report.figure("summarising takes beside its input", taken / number, "bytes an activation")

    situation.only_on_a_gpu("memory of a summary", memory)
