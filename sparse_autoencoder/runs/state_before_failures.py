"""The state from which failed chunks of a finished run are tried again (`--retry-failed`).

The state before the first failed chunk is kept with the finished run. From there on all chunks are computed again, in
order, because float64 sums depend on the order of merging: so the result has the bytes of a run in which nothing
failed. Runs of earlier versions have no such state, and are computed again from their first chunk.
"""

from __future__ import annotations

from collections.abc import Sequence

from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.run_state import RunState
from sparse_autoencoder.runs.store import NotFoundError
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec


def keep_before(partial: RunState, state: RunState, folder: RunFolder) -> None:
    """Keep the state if the partial that will be merged next is that of the first failed chunk."""
    if partial.failed_chunks and not state.failed_chunks:
        folder.store.put(folder.before_failures(state.next_chunk), state.to_bytes())


def forget_kept(folder: RunFolder, failed: Sequence[int] = ()) -> None:
    """Remove kept states, except the one before the first of the `failed` chunks."""
    for chunk in folder.numbers("before-failures"):
        if chunk != min(failed, default=None):
            folder.store.delete(folder.before_failures(chunk))


def state_to_retry_from(folder: RunFolder, spec: SummarySpec, failed: Sequence[int]) -> tuple[RunState, str]:
    """The state from which a finished run's failed chunks are tried again, and a sentence for the user about it."""
    kept = _kept(folder, min(failed))
    last = max([*folder.numbers("prompts"), *failed])
    if kept is None or kept.failed_chunks or kept.summary.spec != spec or kept.next_chunk > min(failed):
        beginning = RunState(Summary.empty(spec))
        return beginning, f"everything is computed again, chunks 0 to {last}, since no state before them was kept"
    first = kept.next_chunk
    return (
        kept,
        f"goes on from chunk {first}: the state before it was kept; chunks {first} to {last} are computed again",
    )


def _kept(folder: RunFolder, chunk: int) -> RunState | None:
    """The state that was kept before a chunk; None if there is none, or it can't be read."""
    try:
        data = folder.store.get(folder.before_failures(chunk))
    except NotFoundError:
        return None
    try:
        return RunState.from_bytes(data)
    except Exception:  # damaged, or another version's: without it, more is computed again
        return None
