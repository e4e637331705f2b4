"""A run's state: the number of the next chunk to merge, and everything merged so far."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from pydantic import BaseModel

from sparse_autoencoder.data.rows_hash import NOTHING_READ, chained
from sparse_autoencoder.runs.checksums import seal, understood, unseal
from sparse_autoencoder.runs.first_chunk_checks import FirstChunkChecks
from sparse_autoencoder.summaries import summary_bytes
from sparse_autoencoder.summaries.feature_summary import Summary
from sparse_autoencoder.summaries.text_sums import NamedTextSums


class FailedChunk(BaseModel):
    """A chunk that could not be encoded: its rows are missing from the run."""

    chunk: int
    first_row: int
    last_row: int
    num_rows: int
    error: str


@dataclass(frozen=True)
class RunState:
    """The next chunk to merge, and everything merged so far. A partial is the same for one chunk alone."""

    summary: Summary
    next_chunk: int = 0
    num_records: int = 0
    num_prompts: int = 0
    num_windows: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)  # on rows that were used (tokens/row_notes.py)
    groups: dict[int, str] = field(default_factory=dict)  # names of the groups of rows, by their set
    failed_chunks: list[FailedChunk] = field(default_factory=list)
    rows_hash: str = NOTHING_READ  # the running hash of all chunks; in a partial, the hash of its chunk
    checks: FirstChunkChecks = field(default_factory=FirstChunkChecks)  # only the first chunk's partial has them

    def merge(self, partial: RunState) -> RunState:
        """The state after the next chunk, from its partial; ValueError if it is another chunk's partial."""
        if partial.next_chunk != self.next_chunk + 1:
            raise ValueError(f"chunk {self.next_chunk} is to be merged next, not {partial.next_chunk - 1}")
        return RunState(
            self.summary.merge(partial.summary),
            next_chunk=partial.next_chunk,
            num_records=self.num_records + partial.num_records,
            num_prompts=self.num_prompts + partial.num_prompts,
            num_windows=self.num_windows + partial.num_windows,
            skipped=self.skipped + partial.skipped,
            notes=self.notes + partial.notes,
            groups=self.groups | partial.groups,
            failed_chunks=[*self.failed_chunks, *partial.failed_chunks],
            rows_hash=chained(self.rows_hash, partial.rows_hash),
            checks=self.checks if self.next_chunk else partial.checks,
        )

    @property
    def encoded_chunks(self) -> list[int]:
        """The chunks that have a prompts file: all merged ones that did not fail."""
        failed = {chunk.chunk for chunk in self.failed_chunks}
        return [chunk for chunk in range(self.next_chunk) if chunk not in failed]

    @property
    def text_sums(self) -> NamedTextSums:
        """The sums over texts, with the groups' names."""
        sums = self.summary.text_sums
        return NamedTextSums(sums, {one: name for one, name in self.groups.items() if one < sums.num_sets})

    def to_bytes(self) -> bytes:
        """The state as one sealed file, so that next chunk and summary are always saved together."""
        return seal("state", self.packed())

    @classmethod
    def from_bytes(cls, data: bytes) -> RunState:
        """The inverse of `to_bytes`; DamagedError for other bytes."""
        return cls.unpacked(unseal("state", data))

    def packed(self) -> bytes:
        """The state as bytes without a seal."""
        counters = {name: getattr(self, name) for name in _COUNTERS} | {
            "skipped": dict(self.skipped),
            "notes": dict(self.notes),
            "groups": {str(one): self.groups[one] for one in sorted(self.groups)},
            "failed_chunks": [chunk.model_dump() for chunk in self.failed_chunks],
            "checks": self.checks.model_dump(),
        }
        return summary_bytes.to_bytes(
            self.summary, {"counters": np.frombuffer(json.dumps(counters).encode(), np.uint8)}
        )

    @classmethod
    def unpacked(cls, data: bytes) -> RunState:
        """The inverse of `packed`; DamagedError for other bytes."""
        with understood("state"):
            summary, extra = summary_bytes.from_bytes(data)
            counters = json.loads(extra["counters"].tobytes())
            skipped = Counter(counters.pop("skipped"))
            notes = Counter(counters.pop("notes", {}))
            groups = {int(one): name for one, name in counters.pop("groups").items()}
            failed = [FailedChunk.model_validate(chunk) for chunk in counters.pop("failed_chunks")]
            checks = FirstChunkChecks.model_validate(counters.pop("checks"))
            return cls(
                summary,
                skipped=skipped,
                notes=notes,
                groups=groups,
                failed_chunks=failed,
                checks=checks,
                **counters,
            )


_COUNTERS = ("next_chunk", "num_records", "num_prompts", "num_windows", "rows_hash")
