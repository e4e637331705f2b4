"""Summarises consecutive blocks in background threads, while the caller computes the next blocks.

If memory is short, a block is split into parts, which are sequences of its windows. Parts use the scale of the whole
block, and their unrounded sums are added. So the result is the same bits however a block is split. This file doesn't
import torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial, reduce

import numpy as np

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.summaries.exact_sums import Scale
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec
from sparse_autoencoder.summaries.summariser_interface import Activations, RowFeatures, Summariser, not_finite
from sparse_autoencoder.summaries.text_sums import RowCounts, RowTexts, TextSums
from sparse_autoencoder.summaries.token_samples import BlockTokens
from sparse_autoencoder.summaries.unrounded_summary import UnroundedSummary
from sparse_autoencoder.tokens.windows import Windows
from sparse_autoencoder.utils.failure_rule import first_line
from sparse_autoencoder.utils.prefetch import one_behind


class NoMemoryError(SaescopeError):
    """There is not enough memory even for a small part of a block."""


@dataclass
class MemoryBudget:
    """How much is summarised at once; results don't depend on it."""

    # Largest number in a part; reduced when a part doesn't fit in memory.
    activations: int = 1 << 22
    # Threads that summarise blocks in the background; 0: the caller's thread does. numpy sorts without the GIL.
    workers: int = 2
    # Smaller parts than this are not tried; an activation takes a few hundred bytes.
    least: int = 4096

    def halve(self, activations: int) -> None:
        """A part with this many activations did not fit: use at most half as many from now on."""
        self.activations = min(self.activations, activations // 2)


def summarise_blocks(
    blocks: Iterable[tuple[Windows, Activations]],
    rows: RowTexts,
    spec: SummarySpec,
    *,
    per_row: int,
    memory: MemoryBudget | None = None,
    keep_tokens: Callable[[BlockTokens], None] | None = None,
) -> tuple[Summary, list[RowFeatures]]:
    """The summary of consecutive blocks, and their rows' strongest features.

    `rows` are all rows that the blocks are of. A row that is split between blocks has several entries of at most
    `per_row` features. While blocks are summarised in the background, the next ones are taken from `blocks`, so that
    their activations are computed meanwhile; only a few blocks are in memory.

    `keep_tokens` is called with what each block says about tokens, in order, maybe in another thread; None: nothing is
    made for it.

    Raises SaescopeError if an activation isn't finite, NoMemoryError if there is no memory even for a small part.
    """
    summary = Summary.empty(spec)
    row_features: list[RowFeatures] = []
    text_sums = rows.totals(spec.n_features)
    split: list[RowCounts] = []  # of rows that are in several blocks, or in several parts of one
    task = _Task(rows, spec, per_row, memory or MemoryBudget(), keep_tokens is not None)

    def merge(reduced: Future[_Reduced]) -> None:
        nonlocal summary, text_sums
        result = reduced.result()
        summary = summary.merge(result.unrounded.rounded())
        text_sums = text_sums.merge(result.text_sums)
        split.extend(result.split)
        row_features.extend(result.row_features)
        if keep_tokens is not None:
            keep_tokens(result.tokens)

    with _beside(task.memory.workers) as submit, one_behind() as later:
        for block, activations in blocks:
            later(partial(merge, submit(partial(task.reduced, block, activations))))
    text_sums = text_sums.merge(RowCounts.concatenate(split).sums(rows, spec.n_features))
    return replace(summary, text_sums=text_sums), row_features


@dataclass(frozen=True)
class _Reduced:
    """What a part of a block gives, or a whole one."""

    unrounded: UnroundedSummary
    text_sums: TextSums  # of the rows that are whole in a part
    split: list[RowCounts]  # of the other rows
    row_features: list[RowFeatures]
    tokens: BlockTokens

    def merge(self, later: _Reduced) -> _Reduced:
        return _Reduced(
            self.unrounded.merge(later.unrounded),
            self.text_sums.merge(later.text_sums),
            [*self.split, *later.split],
            [*self.row_features, *later.row_features],
            BlockTokens.merged([self.tokens, later.tokens]),
        )


@contextmanager
def _beside(workers: int) -> Iterator[Callable[[Callable[[], _Reduced]], Future[_Reduced]]]:
    """A function that submits an action to the worker threads; without workers it runs the action itself."""

    def at_once(action: Callable[[], _Reduced]) -> Future[_Reduced]:
        done: Future[_Reduced] = Future()
        done.set_result(action())
        return done

    if workers == 0:
        yield at_once
        return
    with ThreadPoolExecutor(workers) as pool:
        yield pool.submit


@dataclass(frozen=True)
class _Task:
    """The settings of one call of `summarise_blocks`."""

    rows: RowTexts
    spec: SummarySpec
    per_row: int
    memory: MemoryBudget
    keeps_tokens: bool

    def reduced(self, block: Windows, activations: Activations) -> _Reduced:
        """A block's summary, and its rows' strongest features."""
        return reduce(_Reduced.merge, self._parts(block, activations, None))

    def _parts(self, block: Windows, activations: Activations, scale: Scale | None) -> Iterator[_Reduced]:
        """Summarise a block in one part, or else in consecutive parts that fit; `scale` is the block's, for parts."""
        found = self._whole(block, activations, scale)
        if found is not None:
            yield found
            return
        if scale is None:
            scale = Scale(activations.maxima(self.spec.n_features), len(block.tokens))
            if not np.isfinite(scale.maximum).all():
                raise not_finite(block)
        middle = int(np.searchsorted(block.starts, len(block.tokens) // 2).clip(1, len(block) - 1))
        for first, last in ((0, middle), (middle, len(block))):
            tokens = int(block.starts[first]), int(block.starts[last])
            yield from self._parts(block.run(first, last), activations.between(*tokens), scale)

    def _tokens(self, block: Windows, summariser: Summariser) -> BlockTokens:
        if not self.keeps_tokens:
            return BlockTokens.empty()
        return BlockTokens.of(block, summariser, self.spec.seed)

    def _whole(self, block: Windows, activations: Activations, scale: Scale | None) -> _Reduced | None:
        """Summarise a part at once; None if it is too large and can be split."""
        least = len(block) == 1 or len(activations) <= self.memory.least
        if len(activations) > self.memory.activations and not least:
            return None
        # The exception keeps the memory of its frames alive until the `except` block ends.
        try:
            summariser = activations.summariser(block, self.spec, scale)
            text_sums, split = summariser.text_sums(self.rows)
            return _Reduced(
                summariser.unrounded(),
                text_sums,
                [split],
                [summariser.row_features(self.per_row)],
                self._tokens(block, summariser),
            )
        except activations.out_of_memory as error:
            problem = first_line(error)
        if least:
            raise NoMemoryError(f"there is no memory to summarise {len(activations):,} activations at once: {problem}")
        self.memory.halve(len(activations))
        return None
