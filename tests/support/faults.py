"""Faults to order in runs of one process: what happens when a certain chunk is encoded. It knows nothing of runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

from sparse_autoencoder.pipeline import chunk_attempts, single_process
from sparse_autoencoder.pipeline.chunk_encoder import Encoder
from sparse_autoencoder.pipeline.chunk_outputs import ChunkResult, encode_chunk
from sparse_autoencoder.tokens.chunks import Chunk
from sparse_autoencoder.tokens.token_policy import TokenPolicy

Happen = Callable[[int], None]


@contextmanager
def when_encoding(happen: Happen) -> Iterator[Counter[int]]:
    """Have something happen before each attempt at a chunk, called with its number, and no pauses between attempts.

    Yields how often each chunk was attempted.
    """
    attempts: Counter[int] = Counter()

    def encode(encoder: Encoder, chunk: Chunk, policy: TokenPolicy) -> ChunkResult:
        attempts[chunk.index] += 1
        happen(chunk.index)
        return encode_chunk(encoder, chunk, policy)

    with mock.patch.object(single_process, "encode_chunk", encode), mock.patch.object(chunk_attempts, "PAUSE_S", 0.0):
        yield attempts


def failing(error: BaseException, *numbers: int) -> Happen:
    """Every attempt at these chunks fails so."""

    def happen(chunk: int) -> None:
        if chunk in numbers:
            raise error

    return happen
