"""How long the states of unfinished runs stay in memory."""

from __future__ import annotations

import gc
import weakref

from sparse_autoencoder.reading.live_run import LiveRun
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.runs.run_state import RunState
from tests.support.live_runs import MIDDLE, NEW, OLD, LiveWriter, start
from tests.support.watched_store import Clock, WatchedStore


def state_of(library: RunLibrary, run_id: str) -> weakref.ref[RunState]:
    """The state from which an unfinished run is shown, as long as it is in memory."""
    run = library.open(run_id)
    assert isinstance(run, LiveRun)
    return weakref.ref(run.state)


def test_no_more_than_two_unfinished_runs_stay_in_memory(store: WatchedStore, library: RunLibrary) -> None:
    states = []
    for run_id in (OLD, MIDDLE, NEW):
        start(store, run_id)
        states.append(state_of(library, run_id))
    gc.collect()
    assert [state() is not None for state in states] == [False, True, True]


def test_a_state_is_out_of_memory_before_the_next_is_loaded(
    store: WatchedStore, writer: LiveWriter, library: RunLibrary, clock: Clock
) -> None:
    state = state_of(library, OLD)
    writer.further()
    seen = []

    def look() -> None:
        gc.collect()
        seen.append(state())

    store.before[writer.folder.state(2)] = look
    clock.now = 1.0
    assert library.open(OLD).metadata.num_records == 20
    assert seen == [None]


def test_the_state_of_a_run_that_is_finished_is_out_of_memory(
    writer: LiveWriter, library: RunLibrary, clock: Clock
) -> None:
    state = state_of(library, OLD)
    writer.finish()
    clock.now = 1.0
    library.open(OLD)
    gc.collect()
    assert state() is None
