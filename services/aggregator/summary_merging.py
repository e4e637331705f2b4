"""How the library's run states are merged and published, for merge_and_publish.py."""

from datetime import UTC, datetime

from services.aggregator.repeating_store import RepeatingStore
from services.common.run_json_files import MergeProgress
from sparse_autoencoder.errors import DamagedError, SaescopeError
from sparse_autoencoder.runs.example_cutoffs import ExampleCutoffs
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.partial_format import Partial
from sparse_autoencoder.runs.provenance import check_publishing
from sparse_autoencoder.runs.publishing import check_outcome, publish
from sparse_autoencoder.runs.run_state import RunState
from sparse_autoencoder.runs.weights_notes import notes_of
from sparse_autoencoder.summaries.feature_summary import Summary


class SummaryMerging:
    """The interface Merging (merge_and_publish.py) on RunState."""

    def check(self, plan: RunMetadata) -> None:
        check_publishing(plan)

    def empty(self, plan: RunMetadata) -> RunState:
        return RunState(Summary.empty(plan.spec))

    def load(self, data: bytes) -> RunState:
        return RunState.from_bytes(data)

    def merge(self, state: RunState, partial: bytes) -> RunState:
        checked = Partial.from_bytes(partial)
        try:
            return checked.merged_into(state)
        except (SaescopeError, MemoryError):
            raise
        except Exception as error:  # another chunk's, or nonsense that was written as it is
            raise DamagedError(f"what was encoded does not belong here: {error}") from error

    def progress(self, state: RunState, at: str) -> MergeProgress:
        return MergeProgress(
            next_chunk=state.next_chunk,
            num_records=state.num_records,
            num_tokens=state.summary.num_tokens,
            num_skipped_rows=state.skipped.total(),
            num_failed_chunks=len(state.failed_chunks),
            at=at,
        )

    def cutoffs(self, state: RunState) -> bytes:
        return ExampleCutoffs.of(state).to_bytes()

    def publish(self, folder: RunFolder, plan: RunMetadata, state: RunState) -> RunMetadata:
        check_outcome(plan, state)
        folder = RunFolder(RepeatingStore(folder.store), folder.run_id)
        publish(folder, plan, state, state.encoded_chunks)
        plan = plan.model_copy(update={"weights": notes_of(folder)})
        begun, finished = datetime.fromisoformat(plan.retried_at or plan.started_at), datetime.now(UTC)
        return plan.with_counts(
            state,
            status="completed_with_errors" if state.failed_chunks else "complete",
            finished_at=finished.isoformat(timespec="seconds"),
            seconds=plan.seconds + (finished - begun).total_seconds(),
        )
