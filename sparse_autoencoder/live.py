"""An unfinished run as far as it is: what its published files would say if it ended with the state that was saved last.

Statistics, histograms and which examples there are come from the state; the examples' tokens from the prompts files of
the chunks merged so far, of which only the row groups that are needed are read. This file never writes.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sparse_autoencoder.arrays import Ints
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.examples import Examples
from sparse_autoencoder.metrics import FEATURE_METRICS
from sparse_autoencoder.recent import Recent
from sparse_autoencoder.run_view import DAMAGE, RunView, Statistics, readable, unreadable
from sparse_autoencoder.runs import RunFolder, RunMetadata, RunState
from sparse_autoencoder.store import NotFoundError, StoreFile
from sparse_autoencoder.windows import TokenPolicy, Windows, windows_of

_OPEN_FILES = 256
_TOKEN_BYTES = 64 << 20  # of row groups that stay in memory

Record = dict[str, Any]


class LiveRun(RunView):
    """An unfinished run's features as of one state."""

    live = True

    def __init__(self, folder: RunFolder, metadata: RunMetadata, state: RunState, texts: RunTexts) -> None:
        metrics = [{"name": metric.name, "description": metric.description} for metric in FEATURE_METRICS]
        super().__init__(folder, metadata.with_counts(state, metrics=metrics))
        self.state = state
        self.texts = texts

    @cached_property
    def statistics(self) -> Statistics:
        """The statistics of all features."""
        summary = self.state.summary
        totals = summary.totals()
        metrics = {metric.name: metric.compute(totals) for metric in FEATURE_METRICS}
        return Statistics(summary.count, (summary.sum1, summary.sum2, summary.sum3, summary.sum4), metrics)

    def feature(self, feature_id: int) -> Record:
        """See RunView.feature."""
        if not 0 <= feature_id < self.metadata.num_features:
            raise KeyError(feature_id)
        summary = self.state.summary
        top, random = _examples_of(summary.top, feature_id), _examples_of(summary.random, feature_id)
        rows = np.unique(np.concatenate([top.row_id, random.row_id]))
        windows = self.texts.windows(rows, self.state.encoded_chunks)
        return {
            "histogram": self._histogram(feature_id),
            "top": self._records(top, windows),
            "random": self._records(random, windows),
        }

    def _histogram(self, feature_id: int) -> list[Record]:
        summary = self.state.summary
        begin, end = np.searchsorted(summary.histogram_key, np.array([feature_id, feature_id + 1]) << 32)
        bins = (summary.histogram_key[begin:end] & 0xFFFFFFFF).tolist()
        counts = summary.histogram_count[begin:end].tolist()
        return [{"bin": number, "count": count} for number, count in zip(bins, counts, strict=True)]

    def _records(self, examples: Examples, windows: Windows) -> list[Record]:
        """Examples as features/*.parquet has them (EXAMPLE in publishing.py)."""
        keys = zip(windows.row_ids.tolist(), windows.numbers.tolist(), windows.texts.tolist(), strict=True)
        place = {key: index for index, key in enumerate(keys)}
        wanted = zip(examples.row_id.tolist(), examples.window.tolist(), examples.text.tolist(), strict=True)
        return [self._record(examples, e, windows, place.get(key)) for e, key in enumerate(wanted)]

    def _record(self, examples: Examples, example: int, windows: Windows, window: int | None) -> Record:
        row_id = int(examples.row_id[example])
        if window is None:
            raise SaescopeError(
                f"run {self.metadata.run_id} can't be shown, row {row_id} is not in its prompts files as it was when "
                "it was encoded: run it again"
            )
        ids = windows.tokens[windows.starts[window] : windows.starts[window + 1]]
        activations = np.zeros(len(ids), np.float32)
        own = slice(examples.act_starts[example], examples.act_starts[example + 1])
        activations[examples.act_position[own]] = examples.act_value[own]
        return {
            "activation": float(examples.value[example]),
            "row_id": row_id,
            "prompt_index": None,
            "window_offset": int(examples.window[example]) * self.metadata.policy.row_tokens_per_window,
            "position": int(examples.position[example]),
            "text_count": None,
            "token_ids": ids.tolist(),
            "tokens": self.texts.strings(ids.tolist()),
            "activations": activations.tolist(),
        }


@dataclass(frozen=True)
class _RowGroup:
    """Some consecutive rows of a prompts file."""

    row_ids: Ints  # [rows], ascending
    tokens: NDArray[np.int32]  # [row tokens]
    starts: Ints  # [rows + 1], where each row's tokens begin in `tokens`


class RunTexts:
    """An unfinished run's rows and token strings: files that never change once they are there, so they outlive a state.

    A row's chunk is found by the row ids that each prompts file holds, which ascend from chunk to chunk.
    """

    def __init__(self, folder: RunFolder, metadata: RunMetadata) -> None:
        self._folder = folder
        self._policy: TokenPolicy = metadata.policy
        self._chunk_size = metadata.options.chunk_size
        self._reading = threading.Lock()  # two threads that read one ParquetFile at once crash the process
        self._bounds: dict[int, Ints] = {}  # [row groups + 1] of a chunk: first row ids, and one after the last row's
        self._files: Recent[int, pq.ParquetFile] = Recent(_OPEN_FILES)
        self._groups: Recent[tuple[int, int], _RowGroup] = Recent(
            _TOKEN_BYTES, lambda group: group.row_ids.nbytes + group.tokens.nbytes + group.starts.nbytes
        )

    def windows(self, row_ids: Ints, chunks: Sequence[int]) -> Windows:
        """All windows of some rows, given in order; `chunks` are the prompts files there are, in order."""
        with self._reading:
            rows = [self._tokens(row_id, chunks) for row_id in row_ids.tolist()]
        starts = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        return windows_of(row_ids, np.concatenate([np.zeros(0, np.int32), *rows]), starts, self._policy)

    def strings(self, token_ids: list[int]) -> list[str]:
        """Tokens' texts."""
        with readable(self._folder, self._folder.vocabulary):
            vocabulary = self._vocabulary
            return [vocabulary[token_id] for token_id in token_ids]

    @cached_property
    def _vocabulary(self) -> list[str]:
        return self._folder.read_vocabulary()

    def _tokens(self, row_id: int, chunks: Sequence[int]) -> NDArray[np.int32]:
        """A row's tokens, BOS not among them."""
        chunk = self._chunk_of(row_id, chunks)
        if chunk is not None:
            group = self._group(chunk, int(np.searchsorted(self._bounds[chunk], row_id, side="right")) - 1)
            row = int(np.searchsorted(group.row_ids, row_id))
            if row < len(group.row_ids) and group.row_ids[row] == row_id:
                return group.tokens[group.starts[row] : group.starts[row + 1]]
        raise SaescopeError(f"the prompts files lack row {row_id}, which an example shows: run it again")

    def _chunk_of(self, row_id: int, chunks: Sequence[int]) -> int | None:
        """The chunk whose row ids are around this one."""
        low, high = 0, len(chunks)
        guess = bisect_left(chunks, row_id // self._chunk_size)  # right if no chunk ended early, for its long texts
        while low < high:
            at = min(max(low, guess), high - 1)
            bounds = self._row_bounds(chunks[at])
            if bounds[0] <= row_id < bounds[-1]:
                return chunks[at]
            low, high = (low, at) if row_id < bounds[0] else (at + 1, high)
            guess = (low + high) // 2
        return None

    def _row_bounds(self, chunk: int) -> Ints:
        if chunk not in self._bounds:
            with readable(self._folder, self._folder.prompts(chunk)):
                metadata = self._file(chunk).metadata
                groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
                ranges = [_row_range(group) for group in groups]
                self._bounds[chunk] = np.array([*(first for first, _last in ranges), ranges[-1][1] + 1])
        return self._bounds[chunk]

    def _group(self, chunk: int, number: int) -> _RowGroup:
        kept = self._groups.get((chunk, number))
        return kept or self._groups.keep((chunk, number), self._read_group(chunk, number))

    def _read_group(self, chunk: int, number: int) -> _RowGroup:
        with readable(self._folder, self._folder.prompts(chunk)):
            try:
                table = self._file(chunk).read_row_group(number, columns=["row_id", "tokens"])
            except DAMAGE:
                self._files.forget(chunk)  # if the file was replaced, it is read anew the next time
                raise
            tokens = table["tokens"].combine_chunks()
            lengths = tokens.value_lengths().to_numpy()
            starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
            return _RowGroup(table["row_id"].to_numpy(), tokens.flatten().to_numpy(), starts)

    def _file(self, chunk: int) -> pq.ParquetFile:
        kept = self._files.get(chunk)
        if kept is None:
            kept = pq.ParquetFile(StoreFile(self._folder.store, self._folder.prompts(chunk)))
            self._files.keep(chunk, kept)
        return kept


def load_live(folder: RunFolder, metadata: RunMetadata, next_chunk: int, texts: RunTexts | None = None) -> LiveRun:
    """The run as of the state of this next chunk; NotFoundError if there is none, or nothing to show in it.

    `texts` are those of an earlier view of the run, of which what was read is still good.
    """
    key = folder.state(next_chunk)
    try:
        state = folder.read_state_at(next_chunk)
    except DAMAGE as error:
        raise unreadable(folder, key, "is damaged") from error
    if not state.summary.num_tokens:
        raise NotFoundError(f"run {folder.run_id} has nothing to show yet")
    if state.summary.spec != metadata.spec:
        raise unreadable(folder, key, "belongs to a run with other settings")
    return LiveRun(folder, metadata, state, texts or RunTexts(folder, metadata))


def _examples_of(examples: Examples, feature_id: int) -> Examples:
    bounds = np.array([feature_id, feature_id + 1], examples.feature.dtype)  # another type would copy all to compare
    begin, end = np.searchsorted(examples.feature, bounds)
    return examples.take(np.arange(begin, end))


def _row_range(group: pq.RowGroupMetaData) -> tuple[int, int]:
    """The smallest and the largest row id of a prompts file's row group, by its statistics."""
    statistics = group.column(0).statistics
    if group.column(0).path_in_schema != "row_id" or statistics is None or not statistics.has_min_max:
        raise ValueError("the file doesn't say which rows it holds")
    return statistics.min, statistics.max
