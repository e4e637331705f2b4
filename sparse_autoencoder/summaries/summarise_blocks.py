"""Consecutive blocks -> one summary, beside what computes the blocks; in parts, where memory is short.

A part is a run of a block's windows. Parts are summarised on the scale of their block and added unrounded, so that the
result is the same bits however blocks are cut. This file is numpy only; it doesn't know where activations come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, reduce

import numpy as np

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.summaries.blocks import Activations, RowFeatures, not_finite
from sparse_autoencoder.summaries.exact_sums import Scale
from sparse_autoencoder.summaries.summary import Summary, SummarySpec
from sparse_autoencoder.summaries.unrounded_sums import Unrounded
from sparse_autoencoder.tokens.windows import Windows
from sparse_autoencoder.utils.prefetch import one_behind


class NoRoomError(SaescopeError):
    """There is no memory even for a small part of a block."""


@dataclass
class Room:
    """How much is summarised at once; what summaries are doesn't depend on it."""

    # In a part, at most; halved when even less doesn't fit.
    activations: int = 1 << 22
    # Blocks at a time, beside what computes blocks; 0: none. numpy sorts outside the interpreter's lock.
    workers: int = 2
    # Activations for which there must be memory: a few hundred bytes each.
    least: int = 4096

    def is_short(self, activations: int) -> None:
        """So many did not fit."""
        self.activations = min(self.activations, activations // 2)


def summarise_blocks(
    blocks: Iterable[tuple[Windows, Activations]],
    spec: SummarySpec,
    *,
    first_counted: int,
    per_row: int,
    room: Room | None = None,
) -> tuple[Summary, list[RowFeatures]]:
    """The summary of consecutive blocks, and their rows' strongest features, at most `per_row` for a part of a row.

    A block's tokens count from position `first_counted` of each window on. While blocks are summarised and merged the
    next is taken from `blocks`, so that its activations can be computed meanwhile; no more than a few are in memory.
    Raises SaescopeError if an activation isn't finite, NoRoomError if there is no memory even for a small part.
    """
    summary = Summary.empty(spec)
    row_features: list[RowFeatures] = []
    task = _Task(spec, first_counted, per_row, room or Room())

    def merge(reduced: Future[_Reduced]) -> None:
        nonlocal summary
        unrounded, rows = reduced.result()
        summary = summary.merge(unrounded.rounded())
        row_features.extend(rows)

    with _beside(task.room.workers) as submit, one_behind() as later:
        for block, activations in blocks:
            later(partial(merge, submit(partial(task.reduced, block, activations))))
    return summary, row_features


_Reduced = tuple[Unrounded, list[RowFeatures]]


@contextmanager
def _beside(workers: int) -> Iterator[Callable[[Callable[[], _Reduced]], Future[_Reduced]]]:
    """A function that has something done by one of the workers, or at once if there are none."""

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
    """What is to be found out about blocks."""

    spec: SummarySpec
    first_counted: int
    per_row: int
    room: Room

    def reduced(self, block: Windows, activations: Activations) -> _Reduced:
        """A block's contribution, and its rows' strongest features."""
        parts = list(self._parts(block, activations, None))
        return reduce(Unrounded.merge, (unrounded for unrounded, _rows in parts)), [rows for _unrounded, rows in parts]

    def _parts(
        self, block: Windows, activations: Activations, scale: Scale | None
    ) -> Iterator[tuple[Unrounded, RowFeatures]]:
        """The same for consecutive parts of a block (or of a part of one, with the block's scale), as large as fit."""
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

    def _whole(
        self, block: Windows, activations: Activations, scale: Scale | None
    ) -> tuple[Unrounded, RowFeatures] | None:
        """The same in one piece; None if that is too large and can be cut."""
        least = len(block) == 1 or len(activations) <= self.room.least
        if len(activations) > self.room.activations and not least:
            return None
        # What was raised holds on to the memory that it found too little, until its block is left.
        try:
            summariser = activations.summariser(block, self.spec, scale)
            num_tokens = len(block.tokens) - self.first_counted * len(block)
            return summariser.unrounded(num_tokens), summariser.row_features(self.per_row)
        except activations.out_of_memory as error:
            problem = str(error).split("\n", 1)[0] or type(error).__name__
        if least:
            raise NoRoomError(f"there is no memory to summarise {len(activations):,} activations at once: {problem}")
        self.room.is_short(len(activations))
        return None
