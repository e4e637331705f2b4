"""A running hash of what was read of a source, chunk by chunk, against which reading it again can be held.

A chunk has a hash of its records (row ids, texts, reasons for leaving rows out); the running hash chains those of all
chunks so far. Who goes on with a run reads its source from the beginning, and must come by the same running hash. This
file knows no tokens, and not where hashes are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sparse_autoencoder.data.skipped_rows import Record, Row, SkippedRow
from sparse_autoencoder.errors import SaescopeError

NOTHING_READ = ""  # the running hash before the first chunk
_DIGEST_BYTES = 32


def hash_of_records(records: Sequence[Record]) -> str:
    """A chunk's hash, from its records in the order of the source."""
    hashing = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for kind in (Row, SkippedRow):
        ids = [record.row_id for record in records if isinstance(record, kind)]
        strings = [_said(record) for record in records if isinstance(record, kind)]
        # With their number and their lengths before them, no two lists of strings are the same bytes.
        for numbers in ([len(ids)], ids, [len(text) for text in strings]):
            hashing.update(np.array(numbers, "<i8").tobytes())
        hashing.update("".join(strings).encode("utf-8", "surrogatepass"))
    return hashing.hexdigest()


def chained(running: str, chunk: str) -> str:
    """The running hash after a chunk, from that before it and the chunk's hash."""
    return hashlib.blake2b(f"{running} {chunk}".encode(), digest_size=_DIGEST_BYTES).hexdigest()


@dataclass(frozen=True)
class ReadBefore:
    """What an earlier reading of a source came by: the running hash after so many chunks."""

    source: str  # for the user's eyes
    num_chunks: int
    num_records: int
    running: str


class RunningHash:
    """The running hash while a source is read, held against an earlier reading where there was one."""

    def __init__(self, before: ReadBefore | None = None) -> None:
        self._before = before
        self.num_chunks = 0
        self.value = NOTHING_READ

    def add(self, chunk: str) -> None:
        """Take in the next chunk's hash; SaescopeError if what was read so far isn't what was read before."""
        self.value = chained(self.value, chunk)
        self.num_chunks += 1
        if self._before is not None and self.num_chunks == self._before.num_chunks:
            self._check(self.value)

    def end(self) -> None:
        """The source has no more chunks; SaescopeError if it had more before."""
        if self._before is not None and self.num_chunks < self._before.num_chunks:
            self._check(self.value)

    def _check(self, running: str) -> None:
        before = self._before
        if before is not None and running != before.running:
            raise SaescopeError(
                f"{before.source} has changed since it was read: it no longer begins with the {before.num_records:,} "
                "rows that were read of it; put it back as it was, or start a new run"
            )


def _said(record: Record) -> str:
    return record.text if isinstance(record, Row) else record.reason
