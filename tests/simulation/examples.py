"""Examples in small: a number for each chunk, of which a state keeps the few smallest; and cutoffs for later chunks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from zlib import crc32

from sparse_autoencoder.runs.example_cutoffs import MergedChunks

KEPT = 2  # examples in a state
NUMBERS = 24  # an example is less
TIES = 6  # so many numbers have the same key

Examples = tuple[tuple[int, int], ...]  # numbers, each with its chunk, the smallest first


def example_of(run_id: str, chunk: int) -> int:
    """A chunk's example."""
    return crc32(f"{run_id} {chunk}".encode()) % NUMBERS


def chosen(examples: Iterable[tuple[int, int]]) -> Examples:
    """The examples that are kept."""
    return tuple(sorted(examples)[:KEPT])


def to_text(examples: Examples) -> str:
    """Examples as they are stored."""
    return ",".join(f"{example}/{chunk}" for example, chunk in examples)


def to_examples(text: str) -> Examples:
    """The inverse of `to_text`."""
    pairs = (pair.split("/") for pair in text.split(",") if pair)
    return tuple((int(example), int(chunk)) for example, chunk in pairs)


def to_merged_chunks(text: str) -> MergedChunks:
    """The chunks that were merged when cutoffs were computed, from "<next chunk>:<failed chunks>"."""
    next_chunk, failed = text.split(":")
    return MergedChunks(next_chunk=int(next_chunk), failed=tuple(int(chunk) for chunk in failed.split(",") if chunk))


def last_key(examples: Examples) -> int:
    """The cutoff for examples of later chunks: as in the library, only the higher part of a number."""
    return examples[-1][0] // TIES if len(examples) == KEPT else NUMBERS


@dataclass(frozen=True)
class FakeCutoffs:
    """What examples must reach."""

    merged_chunks: str  # see to_merged_chunks
    key: int

    def reached_by(self, example: int) -> bool:
        """Whether an example may still be chosen; an equal key may."""
        return example // TIES <= self.key

    def to_bytes(self) -> bytes:
        """The cutoffs as they are stored."""
        return f"{self.merged_chunks} {self.key}".encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> FakeCutoffs:
        """The inverse of `to_bytes`."""
        merged_chunks, key = data.decode().split(" ")
        return cls(merged_chunks, int(key))
