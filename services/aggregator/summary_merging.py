"""What `merge_and_publish.py` has merged and published: the library's run state, and its published files."""

from __future__ import annotations

from datetime import UTC, datetime

from services.common.run_records import MergeProgress
from sparse_autoencoder.errors import DamagedError, SaescopeError
from sparse_autoencoder.runs.example_cutoffs import ExampleCutoffs
from sparse_autoencoder.runs.folder import RunFolder
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.partial_format import Partial
from sparse_autoencoder.runs.provenance import check_publishing
from sparse_autoencoder.runs.publishing import check_outcome, publish
from sparse_autoencoder.runs.state import RunState
from sparse_autoencoder.summaries.summary import Summary


class MergedState:
    """The port State (merge_and_publish.py) on a RunState."""

    def __init__(self, state: RunState) -> None:
        self.state = state

    @property
    def next_chunk(self) -> int:
        """See State.next_chunk."""
        return self.state.next_chunk

    @property
    def failed(self) -> list[int]:
        """See State.failed."""
        return [chunk.chunk for chunk in self.state.failed_chunks]

    @property
    def rows_hash(self) -> str:
        """See State.rows_hash."""
        return self.state.rows_hash

    def progress(self, at: str) -> MergeProgress:
        """See State.progress."""
        return MergeProgress(
            next_chunk=self.state.next_chunk,
            num_records=self.state.num_records,
            num_tokens=self.state.summary.num_tokens,
            num_skipped_rows=self.state.skipped.total(),
            num_failed_chunks=len(self.state.failed_chunks),
            at=at,
        )

    def to_bytes(self) -> bytes:
        """See State.to_bytes."""
        return self.state.to_bytes()

    def cutoffs(self) -> bytes:
        """See State.cutoffs."""
        return ExampleCutoffs.of(self.state).to_bytes()


class SummaryMerging:
    """The port Merging (merge_and_publish.py) on summaries."""

    def check(self, plan: RunMetadata) -> None:
        """See Merging.check."""
        check_publishing(plan)

    def empty(self, plan: RunMetadata) -> MergedState:
        """See Merging.empty."""
        return MergedState(RunState(Summary.empty(plan.spec)))

    def load(self, data: bytes) -> MergedState:
        """See Merging.load."""
        return MergedState(RunState.from_bytes(data))

    def merge(self, state: MergedState, partial: bytes) -> MergedState:
        """See Merging.merge."""
        checked = Partial.from_bytes(partial)
        try:
            return MergedState(checked.merged_into(state.state))
        except (SaescopeError, MemoryError):
            raise
        except Exception as error:  # another chunk's, or nonsense that was written as it is
            raise DamagedError(f"what was encoded does not belong here: {error}") from error

    def publish(self, folder: RunFolder, plan: RunMetadata, state: MergedState) -> RunMetadata:
        """See Merging.publish."""
        merged = state.state
        check_outcome(plan, merged)
        publish(folder, plan, merged, merged.encoded_chunks)
        begun, finished = datetime.fromisoformat(plan.retried_at or plan.started_at), datetime.now(UTC)
        return plan.with_counts(
            merged,
            status="completed_with_errors" if merged.failed_chunks else "complete",
            finished_at=finished.isoformat(timespec="seconds"),
            seconds=plan.seconds + (finished - begun).total_seconds(),
        )
