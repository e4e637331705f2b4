"""Trying failed chunks of a finished run again: the state before the first of them is kept beside the result.

From there on all chunks are computed again, in order, so that the result has the bytes of a run that never failed:
what a float64 sum is depends on the order of merging. Runs of earlier versions have kept nothing, and are computed
again from their first chunk on. This file computes nothing, and is for one process and for services.
"""

from __future__ import annotations

from collections.abc import Sequence

from sparse_autoencoder.runs.folder import RunFolder
from sparse_autoencoder.runs.state import RunState
from sparse_autoencoder.runs.store import NotFoundError
from sparse_autoencoder.summaries.summary import Summary, SummarySpec


def keep_before(part: RunState, state: RunState, folder: RunFolder) -> None:
    """Keep the state, if the part that is about to be merged with it is the first chunk that failed."""
    if part.failed_chunks and not state.failed_chunks:
        folder.store.put(folder.before_failures(state.next_chunk), state.to_bytes())


def forget_kept(folder: RunFolder, failed: Sequence[int] = ()) -> None:
    """Remove what was kept before other chunks than the first of those that have failed."""
    for chunk in folder.numbers("before-failures"):
        if chunk != min(failed, default=None):
            folder.store.delete(folder.before_failures(chunk))


def state_to_retry_from(folder: RunFolder, spec: SummarySpec, failed: Sequence[int]) -> tuple[RunState, str]:
    """The state from which a finished run's failed chunks are tried again, and a sentence that says which it is."""
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
    """What was kept before a chunk; None if there is nothing, or nothing that can be read."""
    try:
        data = folder.store.get(folder.before_failures(chunk))
    except NotFoundError:
        return None
    try:
        return RunState.from_bytes(data)
    except Exception:  # it is damaged, or another version's: what it spares can be computed again
        return None
