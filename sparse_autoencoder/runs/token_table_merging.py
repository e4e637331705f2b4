"""Merges sorted token tables of any size in little memory: a chunk's blocks, and a run's chunks.

At most FAN_IN tables are merged at once, of each of which one row group is in memory. More are merged in several
passes, over temporary files. The result depends on the entries alone, and not on how they were spread over tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sparse_autoencoder.runs.token_samples_format import to_bytes
from sparse_autoencoder.runs.token_table_format import TableWriter, opened, parts_of, to_parquet
from sparse_autoencoder.summaries.token_samples import BlockTokens, TokenSamples
from sparse_autoencoder.summaries.token_table import TokenTable

FAN_IN = 64
"""Tables that are merged at once."""

_HELD_ENTRIES = 1 << 22  # of a chunk's blocks, in memory at once; 28 bytes each
Temporary = Callable[[], AbstractContextManager[IO[bytes]]]
"""Makes a temporary file, which is removed when its context ends."""


class ChunkTokens:
    """Collects what a chunk's blocks say about tokens; call `add` for each, then `table` and `samples`."""

    def __init__(self) -> None:
        self._held: list[TokenTable] = []
        self._written: list[bytes] = []
        self._samples = TokenSamples.empty()

    def add(self, block: BlockTokens) -> None:
        """Add a block."""
        self._samples = TokenSamples.merged([self._samples, block.samples])
        self._held.append(block.table)
        if sum(map(len, self._held)) > _HELD_ENTRIES:
            self._written.append(to_parquet(TokenTable.merged(self._held)))
            self._held = []

    def samples(self, chunk: int) -> bytes:
        """The bytes of the chunk's file in token_samples/, which don't depend on what was a block."""
        return to_bytes(self._samples, chunk)

    def table(self) -> bytes:
        """The bytes of the chunk's file in token_tables/, which don't depend on what was a block."""
        if not self._written:
            return to_parquet(TokenTable.merged([TokenTable.empty(), *self._held]))
        if self._held:
            self._written.append(to_parquet(TokenTable.merged(self._held)))
        sink = pa.BufferOutputStream()
        with TableWriter(sink) as writer:
            for part in _merged([parts_of(opened(pa.BufferReader(table))) for table in self._written]):
                writer.write(part)
        data: bytes = sink.getvalue().to_pybytes()
        return data


def merged_tables(tables: Sequence[Callable[[], pq.ParquetFile]], temporary: Temporary) -> Iterator[TokenTable]:
    """The merged table of any number of tables, in parts; each is opened when it is its turn."""
    with ExitStack() as stack:
        pending = list(tables)
        while len(pending) > FAN_IN:
            groups = [pending[begin : begin + FAN_IN] for begin in range(0, len(pending), FAN_IN)]
            pending = [
                _written(_merged([parts_of(table()) for table in group]), stack.enter_context(temporary()))
                for group in groups
            ]
        yield from _merged([parts_of(table()) for table in pending])


def _written(parts: Iterator[TokenTable], file: IO[bytes]) -> Callable[[], pq.ParquetFile]:
    with TableWriter(file) as writer:
        for part in parts:
            writer.write(part)

    def reopened() -> pq.ParquetFile:
        file.seek(0)
        return opened(file)

    return reopened


def _merged(tables: Sequence[Iterator[TokenTable]]) -> Iterator[TokenTable]:
    """The merged table of a few tables that come in parts."""
    runs = [_Run(parts) for parts in tables]
    while runs := [run for run in runs if run.fill()]:
        # All runs have their entries up to here in memory, so these are complete.
        until = min(run.last_key for run in runs)
        yield TokenTable.merged([run.taken(until) for run in runs])


class _Run:
    """A sorted table of which one part is in memory."""

    def __init__(self, parts: Iterator[TokenTable]) -> None:
        self._parts = parts
        self._table = TokenTable.empty()
        self._keys = self._table.keys()

    def fill(self) -> bool:
        """Read the next part if all of this one was taken; whether there are entries left."""
        while not len(self._keys):
            part: Any = next(self._parts, None)
            if part is None:
                return False
            self._table, self._keys = part, part.keys()
        return True

    @property
    def last_key(self) -> int:
        """The largest key in memory."""
        return int(self._keys[-1])

    def taken(self, until: int) -> TokenTable:
        """The entries in memory with keys up to this one; they are taken out."""
        end = int(np.searchsorted(self._keys, until, side="right"))
        taken = self._table.take(slice(0, end))
        self._table, self._keys = self._table.take(slice(end, None)), self._keys[end:]
        return taken
