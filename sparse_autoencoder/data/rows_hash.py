"""A running hash of a source, chunk by chunk, to detect that the source changed before a run is resumed.

Each chunk has a hash of its records (row ids, texts, kept columns, reasons for skipping). The running hash chains the
hashes of all chunks so far. A resumed run reads its source from the beginning, and must arrive at the same running
hash.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sparse_autoencoder.data.row_skip_rules import Record, Row, SkippedRow
from sparse_autoencoder.errors import SaescopeError

NOTHING_READ = ""  # the running hash before the first chunk
_DIGEST_BYTES = 32


def hash_of_records(records: Sequence[Record]) -> str:
    """The hash of a chunk's records, in the order of the source."""
    hashing = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for kind in (Row, SkippedRow):
        ids = [record.row_id for record in records if isinstance(record, kind)]
        strings = [_said(record) for record in records if isinstance(record, kind)]
        # The count and the lengths come first, so that different lists of strings never give the same bytes.
        for numbers in ([len(ids)], ids, [len(text) for text in strings]):
            hashing.update(np.array(numbers, "<i8").tobytes())
        hashing.update("".join(strings).encode("utf-8", "surrogatepass"))
    for values in zip(*(record.columns for record in records if isinstance(record, Row)), strict=True):
        hashing.update(np.array([-1 if value is None else len(value) for value in values], "<i8").tobytes())
        hashing.update("".join(value or "" for value in values).encode("utf-8", "surrogatepass"))
    return hashing.hexdigest()


def chained(running: str, chunk: str) -> str:
    """The running hash after a chunk, from the running hash before it and the chunk's hash."""
    return hashlib.blake2b(f"{running} {chunk}".encode(), digest_size=_DIGEST_BYTES).hexdigest()


@dataclass(frozen=True)
class ReadBefore:
    """An earlier reading of the source: the running hash after its first `num_chunks` chunks."""

    source: str  # for error messages
    num_chunks: int
    num_records: int
    running: str


class RunningHash:
    """The running hash while a source is read, compared with an earlier reading if there was one."""

    def __init__(self, before: ReadBefore | None = None) -> None:
        self._before = before
        self.num_chunks = 0
        self.value = NOTHING_READ

    def add(self, chunk: str) -> None:
        """Add the next chunk's hash; SaescopeError if the rows so far differ from the earlier reading."""
        self.value = chained(self.value, chunk)
        self.num_chunks += 1
        if self._before is not None and self.num_chunks == self._before.num_chunks:
            self._check(self.value)

    def end(self) -> None:
        """Call this at the source's end; SaescopeError if the earlier reading had more chunks."""
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
