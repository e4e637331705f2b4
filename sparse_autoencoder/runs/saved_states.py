"""An unfinished run's saved states, and the state from which a finished run's failed chunks are tried again.

A state is one object, named by the number of the next chunk to merge. The furthest one counts; the one before it is
kept in case the furthest is damaged. Chunks that the older of the two states lacks must be kept as long as it is.

The state before the first failed chunk stays with the finished run. With `--retry-failed` all chunks from there on are
computed again, in order, because float64 sums depend on the order of merging: so the result has the bytes of a run in
which nothing failed. Runs of earlier versions have no such state, and are computed again from their first chunk.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from sparse_autoencoder.errors import DamagedError, OtherVersionError
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.run_state import RunState
from sparse_autoencoder.runs.store import NotFoundError
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec

KEPT = 2


@dataclass(frozen=True)
class Saved:
    """The furthest sound state of a run, and the errors of the damaged states beyond it."""

    state: RunState
    damaged: list[DamagedError]


def write_state(folder: RunFolder, state: RunState) -> None:
    """Save a run's state, and remove states that are no longer needed."""
    folder.store.put(folder.state(state.next_chunk), state.to_bytes())
    remove_old_states(folder)


def remove_old_states(folder: RunFolder) -> int:
    """Remove all but the two furthest states; returns the older one's next chunk, or 0 if there is only one."""
    cursors = folder.numbers("state")
    for cursor in cursors[:-KEPT]:
        folder.store.delete(folder.state(cursor))
    return cursors[-KEPT] if len(cursors) >= KEPT else 0


def read_state(folder: RunFolder, spec: SummarySpec) -> Saved:
    """The furthest sound state; an empty one if none was saved yet, or if the only one is damaged.

    Raises SaescopeError if both saved states are damaged, or another version of saescope wrote one.
    """
    damaged: list[DamagedError] = []
    for cursor in reversed(folder.numbers("state")):
        try:
            state = read_state_at(folder, cursor)
            if state.summary.spec != spec:
                raise DamagedError(f"{folder.state(cursor)} belongs to a run with other settings")
            return Saved(state, damaged)
        except OtherVersionError as error:
            raise OtherVersionError(f"run {folder.run_id} can't go on here, {error}: start a new run") from error
        except DamagedError as error:
            damaged.append(error)
    if len(damaged) >= KEPT:
        raise DamagedError(
            f"run {folder.run_id} can't go on, both of its saved states are damaged: start a new run "
            f"({'; '.join(map(str, damaged))})"
        )
    return Saved(RunState(Summary.empty(spec)), damaged)


def read_state_at(folder: RunFolder, cursor: int) -> RunState:
    """The state with this next chunk; NotFoundError if there is none (any more), DamagedError if it is damaged."""
    key = folder.state(cursor)
    data = folder.store.get(key)
    try:
        state = RunState.from_bytes(data)
    except OtherVersionError as error:
        raise OtherVersionError(f"{key} can't be used, {error}") from error
    except DamagedError as error:
        raise DamagedError(f"{key} can't be used, {error}") from error
    if state.next_chunk != cursor:
        raise DamagedError(f"{key} can't be used, it holds the state of chunk {state.next_chunk}")
    return state


def remove_states(folder: RunFolder, after: int | None = None) -> None:
    """Remove saved states; with `after`, only those that are further than it."""
    for cursor in folder.numbers("state"):
        if after is None or cursor > after:
            folder.store.delete(folder.state(cursor))


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
    kept: RunState | None = None
    with suppress(NotFoundError, DamagedError):  # without it, more is computed again
        kept = RunState.from_bytes(folder.store.get(folder.before_failures(min(failed))))
    last = max([*folder.numbers("prompts"), *failed])
    if kept is None or kept.failed_chunks or kept.summary.spec != spec or kept.next_chunk > min(failed):
        beginning = RunState(Summary.empty(spec))
        return beginning, f"everything is computed again, chunks 0 to {last}, since no state before them was kept"
    first = kept.next_chunk
    return (
        kept,
        f"goes on from chunk {first}: the state before it was kept; chunks {first} to {last} are computed again",
    )
