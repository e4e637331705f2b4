"""The contents of the small JSON files in a run's folder while services work on it; Workspace reads and writes them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from sparse_autoencoder.data.rows_hash import NOTHING_READ
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.run_options import RunOptions

StopReason = Literal["cancelled", "failed", "deleted"]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class RunRequest(_File):
    """What somebody asked for, and when (ISO 8601)."""

    options: RunOptions
    created_at: str
    token: str = ""  # unique, so that an API process whose answer got lost can tell its own request from another's
    retry_from: int | None = None  # the chunk from which failed ones are tried again; None until somebody asks for it


class Retry(_File):
    """A request to retry the failed chunks of a finished run: its first request, and its metadata before the retry."""

    request: RunRequest
    metadata: RunMetadata


class Stopped(_File):
    """Why nobody works on a run. `deleted` is never taken back."""

    status: StopReason
    error: str | None = None
    at: str


class ReadingProgress(_File):
    """How far the source has been read; written just before the last chunk that it counts."""

    source: dict[str, str | int | None]  # as it describes itself
    tokens: dict[str, str] = Field(default_factory=dict)  # what they depend on (provenance.tokens_made_of)
    rows_hash: str = NOTHING_READ  # the running hash of these chunks (rows_hash.py)
    num_chunks: int = 0
    num_records: int = 0
    fraction: float | None = None


class Ingested(_File):
    """The source was read to its end, or as far as the options ask: there are no more chunks than these."""

    num_chunks: int
    num_records: int
    rows_hash: str = NOTHING_READ  # the running hash of all chunks


class MergeProgress(_File):
    """How far the chunks have been merged."""

    next_chunk: int
    num_records: int
    num_tokens: int
    num_skipped_rows: int
    num_failed_chunks: int
    at: str
