"""An unfinished run's saved states. The furthest one counts; the one before it is kept in case the furthest is damaged.

A state is one object, named by the number of the next chunk to merge. Chunks that the older of the two states lacks
must be kept as long as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from sparse_autoencoder.errors import DamagedError, OtherVersionError
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.run_state import RunState
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
            return Saved(_state_of(folder, cursor, spec), damaged)
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


def _state_of(folder: RunFolder, cursor: int, spec: SummarySpec) -> RunState:
    state = read_state_at(folder, cursor)
    if state.summary.spec != spec:
        raise DamagedError(f"{folder.state(cursor)} belongs to a run with other settings")
    return state
