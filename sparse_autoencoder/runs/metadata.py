"""metadata.json: a run's configuration, what it depends on, counts and times."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from sparse_autoencoder.data.row_sets import MOST_GROUPS, OTHERS
from sparse_autoencoder.data.rows_hash import NOTHING_READ
from sparse_autoencoder.runs.format_version import FORMAT
from sparse_autoencoder.runs.references import Reference
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.run_state import FailedChunk, RunState
from sparse_autoencoder.runs.self_check import Facts, SelfCheck, self_check_of
from sparse_autoencoder.runs.warnings import ACTIVATION_ASSUMED, warnings_on
from sparse_autoencoder.summaries.feature_summary import SummarySpec
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.utils.printable import printable

Status = Literal["running", "interrupted", "failed", "complete", "completed_with_errors"]
PUBLISHED: tuple[Status, ...] = ("complete", "completed_with_errors")


class RowGroup(BaseModel):
    """A group of rows of a run with --group-by."""

    name: str
    num_rows: int  # with counted tokens
    num_texts: int  # distinct ones
    num_tokens: int  # counted ones


class RunMetadata(BaseModel):
    """The content of metadata.json (and of plan.json)."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

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
    processor: dict[str, str] = Field(default_factory=dict)  # pipeline/processor_kind.py; earlier runs lack it
    started_at: str
    finished_at: str | None = None
    seconds: float = 0.0
    error: str | None = None
    retries: int = 0  # how often failed chunks were tried again
    retried_at: str | None = None  # when services began the last retry; `seconds` is the time before it
    # counts
    num_records: int = 0
    num_prompts: int = 0
    num_windows: int = 0
    num_tokens: int = 0
    num_texts: int | None = None  # distinct ones with counted tokens; None: an earlier run, without text_sums.parquet
    groups: list[RowGroup] = Field(default_factory=list)  # of --group-by, in the order of their first rows
    num_active_features: int = 0
    num_skipped_rows: int = 0
    skipped_rows: dict[str, int] = Field(default_factory=dict)
    noted_rows: dict[str, int] = Field(default_factory=dict)  # what was noticed in how many of the rows that were used
    warnings: list[str] = Field(default_factory=list)  # runs/warnings.py
    failed_chunks: list[FailedChunk] = Field(default_factory=list)
    reference: Reference | None = None  # what the self-check compares the run with
    self_check: SelfCheck | None = None  # None for runs of earlier versions, and while there is nothing
    # what each file that follows from the weights says of itself (runs/weights_notes.py), by the file's stem
    weights: dict[str, Any] = Field(default_factory=dict)
    rows_hash: str = NOTHING_READ  # running hash of the rows, which depends on chunk_size (data/rows_hash.py)
    # fields with the original scripts' names
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
        """A copy with the counts of a state, and with other changes."""
        facts = Facts(self.autoencoder, self.policy, state.checks, self.reference)
        self_check = self_check_of(state.summary, facts)
        counts = {
            "num_records": state.num_records,
            "num_prompts": state.num_prompts,
            "num_windows": state.num_windows,
            "num_tokens": state.summary.num_tokens,
            "num_texts": int(state.summary.text_sums.whole().num_texts[0]),
            "groups": _groups(state),
            "num_active_features": int((state.summary.count > 0).sum()),
            "num_skipped_rows": state.skipped.total(),
            "skipped_rows": dict(state.skipped),
            "noted_rows": dict(state.notes),
            "warnings": self._warnings(state, self_check),
            "self_check": self_check,
            "failed_chunks": state.failed_chunks,
            "rows_hash": state.rows_hash,
        }
        return self.model_copy(update={**counts, **changes})

    def _warnings(self, state: RunState, self_check: SelfCheck | None) -> list[str]:
        about_rows = warnings_on(state.num_records, state.num_prompts, state.skipped, state.notes)
        doubts = self_check.reasons if self_check is not None and self_check.verdict == "doubtful" else []
        return [
            *([ACTIVATION_ASSUMED] if self.autoencoder.get("activation_assumed") else []),
            *(f"the self-check is doubtful: {doubt}" for doubt in doubts),
            *(f"the self-check is incomplete, {problem}" for problem in state.checks.problems),
            *about_rows,
            *self._rows_without_a_group(state),
        ]

    def _rows_without_a_group(self, state: RunState) -> list[str]:
        """That some rows are in no group of their own, if --group-by found more values than there can be groups."""
        column = printable(self.options.group_by or "")
        others = [group for group in _groups(state) if group.name == OTHERS]
        return [
            f"{group.num_rows:,} of {state.num_prompts:,} rows have values in '{column}' that came "
            f"after the first {MOST_GROUPS}, and are one group together, {OTHERS}"
            for group in others
        ]

    @property
    def policy(self) -> TokenPolicy:
        """The run's token policy."""
        options = self.options
        return TokenPolicy(self.bos_token_id, options.max_tokens, options.bos, options.long_rows, options.context)

    @property
    def spec(self) -> SummarySpec:
        """The settings that this run's summaries share."""
        return SummarySpec(self.num_features, self.options.top_tokens_per_feature, self.options.seed)


def _groups(state: RunState) -> list[RowGroup]:
    sums, names = state.text_sums.sums, state.text_sums.names
    return [
        RowGroup(
            name=names[one],
            num_rows=int(sums.num_rows[one]),
            num_texts=int(sums.num_texts[one]),
            num_tokens=int(sums.num_tokens[one]),
        )
        for one in sorted(names)
    ]
