"""An unfinished run's saved states: the furthest one counts, and the one before it stays, should that one be damaged.

A state is one object, whose name is the number of the chunk to be merged next. What the older one of the two lacks must
stay as long as it does. This file doesn't know how often states are saved.
"""

from __future__ import annotations

from dataclasses import dataclass

from sparse_autoencoder.errors import DamagedError, OtherVersionError
from sparse_autoencoder.runs.folder import RunFolder
from sparse_autoencoder.runs.state import RunState
from sparse_autoencoder.summaries.summary import Summary, SummarySpec

KEPT = 2


@dataclass(frozen=True)
class Saved:
    """A run's state as it was found, and what is wrong with those that are further."""

    state: RunState
    damaged: list[DamagedError]


def write_state(folder: RunFolder, state: RunState) -> None:
    """Save how far a run is, and remove the states that are no longer needed then."""
    folder.store.put(folder.state(state.next_chunk), state.to_bytes())
    remove_old_states(folder)


def remove_old_states(folder: RunFolder) -> int:
    """Remove all states but the furthest ones; the chunk from which on the older one of them, if any, lacks chunks."""
    cursors = folder.numbers("state")
    for cursor in cursors[:-KEPT]:
        folder.store.delete(folder.state(cursor))
    return cursors[-KEPT] if len(cursors) >= KEPT else 0


def read_state(folder: RunFolder, spec: SummarySpec) -> Saved:
    """The furthest state that is sound; the run's beginning if none was saved yet, or the only one is damaged.

    SaescopeError if both are damaged, or one of them was written by another version.
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
    """The state of this name; NotFoundError if there is none, or no longer, DamagedError if it isn't sound."""
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
    """Remove saved states; with `after`, only those that are further."""
    for cursor in folder.numbers("state"):
        if after is None or cursor > after:
            folder.store.delete(folder.state(cursor))


def _state_of(folder: RunFolder, cursor: int, spec: SummarySpec) -> RunState:
    state = read_state_at(folder, cursor)
    if state.summary.spec != spec:
        raise DamagedError(f"{folder.state(cursor)} belongs to a run with other settings")
    return state
