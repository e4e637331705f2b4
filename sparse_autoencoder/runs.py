"""What a run is and what its folder holds: options, metadata, file names, and the state from which it goes on.

`runs/<timestamp>_run-XXX/` in a Store holds metadata.json (or, while services compute the run, plan.json in its place),
`prompts/` as chunks are encoded, `state/` while the run is going, and the published files (see publishing.py) at its
end. This file computes nothing.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sparse_autoencoder import summary_bytes
from sparse_autoencoder.corpus import DEFAULT_SOURCE
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.formats import FORMAT, check_metadata
from sparse_autoencoder.rows_hash import NOTHING_READ, chained
from sparse_autoencoder.sealed import seal, understood, unseal
from sparse_autoencoder.store import NotFoundError, Store
from sparse_autoencoder.summary import Summary, SummarySpec
from sparse_autoencoder.windows import Bos, LongRows, TokenPolicy

Status = Literal["running", "interrupted", "failed", "complete", "completed_with_errors"]
PUBLISHED: tuple[Status, ...] = ("complete", "completed_with_errors")
Precision = Literal["float32", "tf32", "bfloat16", "float64"]

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{,199}")  # no longer than a folder's name may be


class RunOptions(BaseModel):
    """What can be chosen for a run; the defaults are the command's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = DEFAULT_SOURCE
    text_column: str | None = None
    prompt_file: str | None = None
    kaggle_row: Annotated[int | None, Field(ge=0)] = None
    max_rows: Annotated[int | None, Field(ge=1)] = None
    chunk_size: Annotated[int, Field(ge=1)] = 10_000
    top_feature_count: Annotated[int, Field(ge=1)] = 100
    top_tokens_per_feature: Annotated[int, Field(ge=1, lt=2**31)] = 20
    subject: str = "gpt2"
    autoencoder: str = "v5_32k"
    layer: Annotated[int, Field(ge=0)] = 6
    location: str = "resid_post_mlp"
    max_tokens: Annotated[int, Field(ge=1)] = 64
    bos: Bos = "exclude"
    long_rows: LongRows = "split"
    precision: Precision = "float32"
    device: str = "auto"
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0


class FailedChunk(BaseModel):
    """A chunk that could not be encoded: its rows are missing from the run."""

    chunk: int
    first_row: int
    last_row: int
    num_rows: int
    error: str


class RunMetadata(BaseModel):
    """metadata.json: the whole configuration, what was counted, and when."""

    model_config = ConfigDict(extra="allow")

    format_version: int = FORMAT
    run_id: str
    status: Status
    options: RunOptions
    source: dict[str, Any]
    subject: dict[str, Any]
    autoencoder: dict[str, Any]
    bos_token_id: int | None
    num_features: Annotated[int, Field(ge=1)]
    metrics: Annotated[list[dict[str, str]], Field(min_length=1)]  # name and description of each
    versions: dict[str, str]
    processor: dict[str, str] = Field(default_factory=dict)  # see processor.py; earlier versions did not record it
    started_at: str
    finished_at: str | None = None
    seconds: float = 0.0
    error: str | None = None
    retries: int = 0  # how often chunks that had failed were tried again
    retried_at: str | None = None  # when services began to do that last; `seconds` has what was before
    # counts
    num_records: int = 0
    num_prompts: int = 0
    num_windows: int = 0
    num_tokens: int = 0
    num_active_features: int = 0
    num_skipped_rows: int = 0
    skipped_rows: dict[str, int] = Field(default_factory=dict)
    failed_chunks: list[FailedChunk] = Field(default_factory=list)
    rows_hash: str = NOTHING_READ  # of the rows that were read, in chunks of this size (rows_hash.py)
    # the original's names
    dataset_csv: str
    text_column: str | None
    layer_index: int
    location: str
    max_sequence_length: int
    top_feature_count: int
    top_tokens_per_feature: int

    @field_validator("subject", "autoencoder")
    @classmethod
    def _named(cls, value: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(value.get("name"), str):
            raise ValueError("it has no name")
        return value

    @field_validator("metrics")
    @classmethod
    def _described(cls, metrics: list[dict[str, str]]) -> list[dict[str, str]]:
        if not all(metric.keys() >= {"name", "description"} for metric in metrics):
            raise ValueError("each needs a name and a description")
        return metrics

    def with_counts(self, state: RunState, **changes: Any) -> RunMetadata:
        """These metadata with what a state has counted, and with other changes."""
        counts = {
            "num_records": state.num_records,
            "num_prompts": state.num_prompts,
            "num_windows": state.num_windows,
            "num_tokens": state.summary.num_tokens,
            "num_active_features": int((state.summary.count > 0).sum()),
            "num_skipped_rows": state.skipped.total(),
            "skipped_rows": dict(state.skipped),
            "failed_chunks": state.failed_chunks,
            "rows_hash": state.rows_hash,
        }
        return self.model_copy(update={**counts, **changes})

    @property
    def policy(self) -> TokenPolicy:
        """How this run's rows became windows."""
        options = self.options
        return TokenPolicy(self.bos_token_id, options.max_tokens, options.bos, options.long_rows)

    @property
    def spec(self) -> SummarySpec:
        """What this run's summaries agree on."""
        return SummarySpec(self.num_features, self.options.top_tokens_per_feature, self.options.seed)


@dataclass(frozen=True)
class RunState:
    """How far a run is: the next chunk to merge, and everything merged so far. One chunk's part has the same form."""

    summary: Summary
    next_chunk: int = 0
    num_records: int = 0
    num_prompts: int = 0
    num_windows: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    failed_chunks: list[FailedChunk] = field(default_factory=list)
    rows_hash: str = NOTHING_READ  # the running hash of all chunks' records; of a chunk's part, the hash of its own

    def merge(self, part: RunState) -> RunState:
        """The state after the next chunk, whose part this is; ValueError if it is another chunk's."""
        if part.next_chunk != self.next_chunk + 1:
            raise ValueError(f"chunk {self.next_chunk} is to be merged next, not {part.next_chunk - 1}")
        return RunState(
            self.summary.merge(part.summary),
            next_chunk=part.next_chunk,
            num_records=self.num_records + part.num_records,
            num_prompts=self.num_prompts + part.num_prompts,
            num_windows=self.num_windows + part.num_windows,
            skipped=self.skipped + part.skipped,
            failed_chunks=[*self.failed_chunks, *part.failed_chunks],
            rows_hash=chained(self.rows_hash, part.rows_hash),
        )

    @property
    def encoded_chunks(self) -> list[int]:
        """The chunks that have a prompts file."""
        failed = {chunk.chunk for chunk in self.failed_chunks}
        return [chunk for chunk in range(self.next_chunk) if chunk not in failed]

    def to_bytes(self) -> bytes:
        """The state as one file, so that cursor and summary are always saved together."""
        return seal("state", self.packed())

    @classmethod
    def from_bytes(cls, data: bytes) -> RunState:
        """The inverse of `to_bytes`; DamagedError if the bytes are something else."""
        return cls.unpacked(unseal("state", data))

    def packed(self) -> bytes:
        """The state as bytes that are to be sealed."""
        counters = {name: getattr(self, name) for name in _COUNTERS} | {
            "skipped": dict(self.skipped),
            "failed_chunks": [chunk.model_dump() for chunk in self.failed_chunks],
        }
        return summary_bytes.to_bytes(
            self.summary, {"counters": np.frombuffer(json.dumps(counters).encode(), np.uint8)}
        )

    @classmethod
    def unpacked(cls, data: bytes) -> RunState:
        """The inverse of `packed`; DamagedError if the bytes are something else."""
        with understood("state"):
            summary, extra = summary_bytes.from_bytes(data)
            counters = json.loads(extra["counters"].tobytes())
            skipped = Counter(counters.pop("skipped"))
            failed = [FailedChunk.model_validate(chunk) for chunk in counters.pop("failed_chunks")]
            return cls(summary, skipped=skipped, failed_chunks=failed, **counters)


_COUNTERS = ("next_chunk", "num_records", "num_prompts", "num_windows", "rows_hash")


@dataclass(frozen=True)
class RunFolder:
    """A run's files in a store: the only place that knows their names."""

    store: Store
    run_id: str

    def __post_init__(self) -> None:
        if not _RUN_ID.fullmatch(self.run_id) or ".." in self.run_id:
            raise NotFoundError(f"there is no run {self.run_id[:200]!r}")

    def key(self, name: str) -> str:
        """The store's key of a file of this run."""
        return f"{self.run_id}/{name}"

    @property
    def metadata(self) -> str:
        """Key of metadata.json."""
        return self.key("metadata.json")

    @property
    def plan(self) -> str:
        """Key of the metadata of a run that services compute; metadata.json is then written when it is finished."""
        return self.key("plan.json")

    def state(self, next_chunk: int) -> str:
        """Key of the state from which an unfinished run goes on with this chunk."""
        return self.key(f"state/{next_chunk:06d}")

    def before_failures(self, next_chunk: int) -> str:
        """Key of the state before the first chunk that failed, this one, from which failed chunks are tried again."""
        return self.key(f"before-failures/{next_chunk:06d}")

    @property
    def vocabulary(self) -> str:
        """Key of the token strings: a JSON list, by token id."""
        return self.key("vocabulary.json")

    def prompts(self, chunk: int) -> str:
        """Key of a chunk's rows."""
        return self.key(f"prompts/{chunk:06d}.parquet")

    def features(self, file: int) -> str:
        """Key of a file of features."""
        return self.key(f"features/{file:05d}.parquet")

    @property
    def overview(self) -> str:
        """Key of what a list of all features needs."""
        return self.key("overview.parquet")

    def numbers(self, folder: str) -> list[int]:
        """The numbers of the files of one of the run's folders, in order."""
        stems = (key.rpartition("/")[2].partition(".")[0] for key in self.store.list(self.key(f"{folder}/")))
        return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdigit())

    def write_metadata(self, metadata: RunMetadata) -> None:
        """Write metadata.json."""
        self.store.put(self.metadata, _json(metadata))

    def write_plan(self, metadata: RunMetadata) -> None:
        """Write the metadata of a run that services compute."""
        self.store.put(self.plan, _json(metadata))

    def create_plan(self, metadata: RunMetadata) -> bool:
        """Write the metadata of a run that services compute, if nobody has; whether they were written."""
        return self.store.create(self.plan, _json(metadata))

    def read_metadata(self) -> RunMetadata:
        """Read metadata.json, or else the plan; NotFoundError without either, SaescopeError if it has mistakes.

        NewerFormatError if a later version of saescope has written it.
        """
        data = self.metadata_json()
        check_metadata(self.run_id, data)
        try:
            return RunMetadata.model_validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = "".join(f"{part}: " for part in first["loc"])
            raise SaescopeError(
                f"the metadata.json of run {self.run_id} can't be understood ({where}{first['msg']}): start a new run"
            ) from error

    def metadata_json(self) -> bytes:
        """metadata.json, or else the plan, as it is stored; NotFoundError without either."""
        try:
            return _first_of(self.store, self.metadata, self.plan)
        except NotFoundError:
            raise NotFoundError(f"there is no run {self.run_id!r}") from None

    def state_cursor(self) -> int | None:
        """The next chunk of the furthest state that was saved; None if none was."""
        return max(self.numbers("state"), default=None)

    def write_vocabulary(self, vocabulary: list[str]) -> None:
        """Write the token strings."""
        self.store.put(self.vocabulary, json.dumps(vocabulary, ensure_ascii=False).encode())

    def read_vocabulary(self) -> list[str]:
        """Each token id's text."""
        vocabulary: list[str] = json.loads(self.store.get(self.vocabulary))
        return vocabulary


def _json(metadata: RunMetadata) -> bytes:
    return (json.dumps(metadata.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n").encode()


def _first_of(store: Store, *keys: str) -> bytes:
    """The first of these objects that there is."""
    for key in keys[:-1]:
        with suppress(NotFoundError):
            return store.get(key)
    return store.get(keys[-1])


def run_ids(store: Store) -> list[str]:
    """The names of a store's folders that can be runs, newest first; in some there may be no run, or nothing at all."""
    return sorted((name for name in store.folders() if _RUN_ID.fullmatch(name)), reverse=True)
