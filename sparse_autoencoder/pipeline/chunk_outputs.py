"""The result of one chunk: its partial and its prompts file, or the record that it failed.

The one-process run and the encoder service both use this.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from sparse_autoencoder.runs.first_chunk_checks import FirstChunkChecks
from sparse_autoencoder.runs.rows_file_format import FEATURES_PER_ROW, to_parquet
from sparse_autoencoder.runs.run_state import FailedChunk, RunState
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec
from sparse_autoencoder.tokens.chunks import Chunk
from sparse_autoencoder.tokens.token_policy import TokenPolicy

if TYPE_CHECKING:
    from sparse_autoencoder.pipeline.chunk_encoder import Encoder


@dataclass(frozen=True)
class ChunkResult:
    """A chunk's partial, as a RunState of this chunk alone, and its other files (None: it failed)."""

    partial: RunState
    prompts: bytes | None
    token_table: bytes | None = None
    token_samples: bytes | None = None
    firings: bytes | None = None  # the firings file, if it was asked for
    activations: BinaryIO | None = None  # likewise, as it may be large; whoever writes it closes it


def encode_chunk(encoder: Encoder, chunk: Chunk, policy: TokenPolicy) -> ChunkResult:
    """Encode a chunk; raises whatever the encoder raises."""
    encoded = encoder.encode(chunk, FEATURES_PER_ROW)
    partial = RunState(
        encoded.summary,
        next_chunk=chunk.index + 1,
        num_records=chunk.n_records,
        num_prompts=len(chunk.row_ids),
        num_windows=encoded.num_windows,
        skipped=Counter(row.reason for row in chunk.skipped),
        notes=Counter(chunk.notes),
        groups={} if chunk.row_sets is None else dict(chunk.row_sets.names),
        rows_hash=chunk.rows_hash,
        checks=_checks(encoder, chunk),
    )
    prompts = to_parquet(chunk, encoded.row_features, policy, FEATURES_PER_ROW)
    tokens, kept = encoded.tokens, encoded.kept
    return ChunkResult(
        partial, prompts, tokens.table(), tokens.samples(chunk.index), kept.firings_file(), kept.activations_file()
    )


def _checks(encoder: Encoder, chunk: Chunk) -> FirstChunkChecks:
    """What is checked on the run's first chunk; nothing for later ones."""
    if chunk.index or encoder.check_first is None or not len(chunk.row_ids):
        return FirstChunkChecks()
    return encoder.check_first(encoder, chunk)


def failed_chunk(chunk: Chunk, error: str, spec: SummarySpec) -> ChunkResult:
    """The result of a chunk that could not be encoded: the record that its rows are missing, and why."""
    first, last = _rows(chunk)
    failed = FailedChunk(chunk=chunk.index, first_row=first, last_row=last, num_rows=chunk.n_records, error=error)
    partial = RunState(
        Summary.empty(spec),
        next_chunk=chunk.index + 1,
        num_records=chunk.n_records,
        failed_chunks=[failed],
        rows_hash=chunk.rows_hash,
    )
    return ChunkResult(partial, prompts=None)


def chunk_name(chunk: Chunk) -> str:
    """A chunk's number and rows, for messages."""
    first, last = _rows(chunk)
    return f"chunk {chunk.index} (rows {first} to {last})"


def _rows(chunk: Chunk) -> tuple[int, int]:
    """The first and the last row id."""
    ids = [*chunk.row_ids.tolist(), *(row.row_id for row in chunk.skipped)]
    return min(ids), max(ids)
