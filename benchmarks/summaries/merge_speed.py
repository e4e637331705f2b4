"""How fast does one core merge chunk summaries, from partials in a store to a run's state that is saved now and then?

    python -m benchmarks.summaries.merge_speed [--before 10] [--chunks 6] [--behind 4]

Chunks of 10,000 rows of 8 to 24 tokens, at each of which about 32 of 32,768 features are active. How often a feature is
active is log-normal; a quarter of the activations belong to features that a whole row is about; a tenth of the rows are
texts that come again in every chunk. Each partial is without the examples that the state of some chunks before left out
(with --behind -1, whole). The first chunks fill the state, the rest are measured, on one core: get a partial from a
directory, decode it, merge it; at the end, save the state. Saving is then spread over the time between two saves, as
the runs do it. Other stores have other costs of getting and putting.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.runs.example_cutoffs import ExampleCutoffs
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.partial_format import Partial
from sparse_autoencoder.runs.rows_file_format import FEATURES_PER_ROW
from sparse_autoencoder.runs.run_state import RunState
from sparse_autoencoder.runs.store import DirectoryStore
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec
from sparse_autoencoder.summaries.summarise_in_background import summarise_blocks
from sparse_autoencoder.summaries.summarise_numpy import SparseActivations
from sparse_autoencoder.summaries.summariser_interface import BLOCK_TOKENS
from sparse_autoencoder.summaries.text_sums import RowTexts
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.windows import Windows, windows_of
from sparse_autoencoder.utils.numpy_array_ops import ranges

TARGET_TOKENS_PER_S = 300_000
SAVE_EVERY_S = 5.0
ROWS_PER_CHUNK = 10_000
K = 32
SPEC = SummarySpec(n_features=32_768, examples_per_feature=20, seed=0)
_REPEATED_TEXTS = 500
_REPEATED_SHARE = 0.1
_TOPICS = 16  # features that a row is about; each is active at every other of its tokens
_RAREST = 3e-5  # how often the rarest features are active, per token: ten chunks fill their lists too
_SAVES = 3


@dataclass(frozen=True)
class Rows:
    """Rows of tokens and their activations, flat; row r's are slices that begin at `starts[r]` and `act_starts[r]`."""

    tokens: NDArray[np.int32]  # [tokens]
    starts: NDArray[np.int64]  # [rows + 1]
    act_token: NDArray[np.int64]  # [activations], token of the row
    act_feature: NDArray[np.int32]  # [activations]
    act_value: NDArray[np.float32]  # [activations]
    act_starts: NDArray[np.int64]  # [rows + 1]


def frequencies(random: np.random.Generator, n_features: int) -> NDArray[np.float64]:
    """How often each feature is active, per token: log-normal, K features at a time."""
    drawn = random.lognormal(0.0, 1.7, n_features)
    frequency: NDArray[np.float64] = np.maximum(drawn * (K / drawn.sum()), _RAREST)
    return frequency


def make_rows(random: np.random.Generator, n_rows: int, cumulative: NDArray[np.float64]) -> Rows:
    """Rows of 8 to 24 random tokens."""
    lengths = random.integers(8, 25, n_rows)
    starts = _starts(lengths)
    n_tokens = int(starts[-1])
    row = np.repeat(np.arange(n_rows), lengths)

    def draw(*shape: int) -> NDArray[np.int32]:
        drawn: NDArray[np.intp] = np.searchsorted(cumulative, random.random(shape) * cumulative[-1])
        return drawn.astype(np.int32)

    topics = np.where(random.random((n_tokens, _TOPICS)) < 0.5, draw(n_rows, _TOPICS)[row], -1)
    others = draw(n_tokens, K - _TOPICS // 2)
    features = np.sort(np.concatenate([topics, others], axis=1), axis=1)
    doubled = np.diff(features, axis=1, prepend=-1) == 0
    token, column = np.nonzero((features >= 0) & ~doubled)
    feature = features[token, column]
    value = random.gamma(2.0, 2.0, len(feature)).astype(np.float32)
    act_starts = np.searchsorted(token, starts)
    tokens = random.integers(0, 50257, n_tokens).astype(np.int32)
    return Rows(tokens, starts, token - starts[row[token]], feature, value, act_starts)


def take_rows(pool: Rows, index: NDArray[np.int64]) -> Rows:
    """The rows at `index`, in that order."""
    lengths, act_lengths = np.diff(pool.starts)[index], np.diff(pool.act_starts)[index]
    acts = ranges(pool.act_starts[index], act_lengths)
    return Rows(
        pool.tokens[ranges(pool.starts[index], lengths)],
        _starts(lengths),
        pool.act_token[acts],
        pool.act_feature[acts],
        pool.act_value[acts],
        _starts(act_lengths),
    )


def concatenate(first: Rows, second: Rows) -> Rows:
    """The rows of both."""
    return Rows(
        np.concatenate([first.tokens, second.tokens]),
        np.concatenate([first.starts, first.starts[-1] + second.starts[1:]]),
        np.concatenate([first.act_token, second.act_token]),
        np.concatenate([first.act_feature, second.act_feature]),
        np.concatenate([first.act_value, second.act_value]),
        np.concatenate([first.act_starts, first.act_starts[-1] + second.act_starts[1:]]),
    )


def make_part(random: np.random.Generator, chunk: int, repeated: Rows, cumulative: NDArray[np.float64]) -> RunState:
    """A chunk's part of the run, by the library's own code."""
    fresh = make_rows(random, ROWS_PER_CHUNK, cumulative)
    again = random.random(ROWS_PER_CHUNK) < _REPEATED_SHARE
    known = random.integers(0, _REPEATED_TEXTS, ROWS_PER_CHUNK)
    index = np.where(again, known, _REPEATED_TEXTS + np.arange(ROWS_PER_CHUNK))
    rows = take_rows(concatenate(repeated, fresh), index)
    row_ids = chunk * ROWS_PER_CHUNK + np.arange(ROWS_PER_CHUNK)
    windows = windows_of(row_ids, rows.tokens, rows.starts, TokenPolicy(bos_token_id=None, bos="none"))
    texts = RowTexts.all_different(windows)
    summary, _rows = summarise_blocks(blocks_of(windows, rows), texts, SPEC, per_row=FEATURES_PER_ROW)
    return RunState(summary, chunk + 1, ROWS_PER_CHUNK, ROWS_PER_CHUNK, ROWS_PER_CHUNK)


def blocks_of(windows: Windows, rows: Rows) -> Iterator[tuple[Windows, SparseActivations]]:
    """The blocks in which an encoder would summarise rows, each a window."""
    token = (rows.act_token + np.repeat(rows.starts[:-1], np.diff(rows.act_starts))).astype(np.int32)
    begin = 0
    for block in windows.blocks(BLOCK_TOKENS):
        first, last = np.searchsorted(token, [begin, begin + len(block.tokens)])
        part = slice(first, last)
        yield block, SparseActivations(token[part] - np.int32(begin), rows.act_feature[part], rows.act_value[part])
        begin += len(block.tokens)


def _starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


class Stopwatch:
    """How long each step took, by name: seconds of wall time and of processor time."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[NDArray[np.float64]]] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure what is done in this context."""
        begin = _clocks()
        yield
        self.seconds.setdefault(name, []).append(_clocks() - begin)

    def mean(self, name: str) -> NDArray[np.float64]:
        """A step's mean wall time and processor time in seconds."""
        mean: NDArray[np.float64] = np.mean(self.seconds[name], axis=0)
        return mean


def merge_chunk(state: RunState, folder: RunFolder, chunk: int, watch: Stopwatch) -> RunState:
    """What the aggregator does with a chunk's partial."""
    with watch.step("get partial"):
        data = folder.store.get(partial_key(folder, chunk))
    with watch.step("decode partial"):
        part = Partial.from_bytes(data)
    with watch.step("merge"):
        return part.merged_into(state)


def save(state: RunState, folder: RunFolder, watch: Stopwatch) -> int:
    """Save the state as write_state does, and tell its size in bytes."""
    with watch.step("encode state"):
        data = state.to_bytes()
    with watch.step("put state"):
        folder.store.put(folder.state(state.next_chunk), data)
    return len(data)


def report(watch: Stopwatch, tokens_per_chunk: float) -> None:
    """Print each step's time and the rate, the time of saving included."""
    for name in watch.seconds:
        wall, processor = 1000 * watch.mean(name)
        print(f"{name:14} {wall:6.0f} ms, processor time {processor:6.0f} ms")
    chunk_s = watch.mean("get partial") + watch.mean("decode partial") + watch.mean("merge")
    save_s = watch.mean("encode state") + watch.mean("put state")
    apart_s = np.maximum(SAVE_EVERY_S, 10 * save_s)
    share = save_s / (apart_s + save_s)
    wall_rate, processor_rate = tokens_per_chunk / chunk_s * (1 - share)
    print(f"saving         {share[0]:.1%} of the time, at most once in {apart_s[0]:.1f} s")
    print(f"one core       {wall_rate:,.0f} tokens/s, by processor time {processor_rate:,.0f}")
    verdict = "met" if wall_rate >= TARGET_TOKENS_PER_S else "MISSED"
    print(f"target         {TARGET_TOKENS_PER_S:,} tokens/s: {verdict} ({wall_rate / TARGET_TOKENS_PER_S:.2f} times)")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=int, default=10, help="chunks that fill the state first")
    parser.add_argument("--chunks", type=int, default=6, help="chunks that are measured")
    parser.add_argument("--behind", type=int, default=4, help="chunks by which cutoffs are behind; -1: no cutoffs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as path:
        folder = RunFolder(DirectoryStore(Path(path)), "benchmark")
        put_partials(folder, args.before + args.chunks, args.behind)
        stay_on_one_core()
        state = RunState(Summary.empty(SPEC))
        for chunk in range(args.before):
            state = merge_chunk(state, folder, chunk, Stopwatch())
        watch, tokens_before = Stopwatch(), state.summary.num_tokens
        full = (len(state.summary.top) + len(state.summary.random)) / (2 * SPEC.n_features * SPEC.examples_per_feature)
        for chunk in range(args.before, args.before + args.chunks):
            state = merge_chunk(state, folder, chunk, watch)
        partial_size = folder.store.size(partial_key(folder, args.before))
        state_size = max(save(state, folder, watch) for _ in range(_SAVES))
    tokens_per_chunk = (state.summary.num_tokens - tokens_before) / args.chunks
    print(f"chunk          {tokens_per_chunk:,.0f} tokens, partial of {partial_size / 1e6:.1f} MB")
    print(f"state          {args.before} chunks and more, lists {full:.2%} full, {state_size / 1e6:.1f} MB")
    report(watch, tokens_per_chunk)


def make_parts(how_many: int) -> Iterator[RunState]:
    """The parts of the first chunks, always the same ones."""
    random = np.random.default_rng(0)
    cumulative = np.cumsum(frequencies(random, SPEC.n_features))
    repeated = make_rows(random, _REPEATED_TEXTS, cumulative)
    for chunk in range(how_many):
        yield make_part(random, chunk, repeated, cumulative)


def put_partials(folder: RunFolder, how_many: int, behind: int) -> None:
    """Write the partials of the first chunks, each cut by cutoffs that are so many chunks behind (-1: none)."""
    state = RunState(Summary.empty(SPEC))
    cutoffs: list[ExampleCutoffs] = []
    for chunk, part in enumerate(make_parts(how_many)):
        cutoffs.append(ExampleCutoffs.of(state))
        partial = Partial(part) if behind < 0 else Partial(part).cut_by(cutoffs[max(0, chunk - behind)])
        folder.store.put(partial_key(folder, chunk), partial.to_bytes())
        state = state.merge(part)


def partial_key(folder: RunFolder, chunk: int) -> str:
    """Where an encoder puts a chunk's part of the state."""
    return folder.key(f"partials/{chunk:06d}")


def stay_on_one_core() -> None:
    """Bind this thread to one of the cores that it may use."""
    if not hasattr(os, "sched_setaffinity"):
        raise SystemExit("this system can't bind a process to one core")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def _clocks() -> NDArray[np.float64]:
    return np.array([time.perf_counter(), time.process_time()])


if __name__ == "__main__":
    main()
