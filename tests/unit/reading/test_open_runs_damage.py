"""In place of a damaged state a run is shown from the one before, or says that it is damaged."""

from __future__ import annotations

import pytest

from sparse_autoencoder.errors import DamagedError, SaescopeError
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.runs.store import NotFoundError
from tests.support.live_runs import OLD, LiveWriter
from tests.support.watched_store import Clock, WatchedStore


def damage(store: WatchedStore, writer: LiveWriter, chunk: int) -> None:
    data = store.get(writer.folder.state(chunk))
    store.put(writer.folder.state(chunk), data[:-1] + bytes([data[-1] ^ 1]))


def test_in_place_of_a_damaged_state_the_one_before_is_shown(
    store: WatchedStore, writer: LiveWriter, library: RunLibrary, clock: Clock
) -> None:
    writer.further()
    damage(store, writer, 2)
    assert library.open(OLD).metadata.num_records == 10
    store.calls.clear()
    clock.now = 5.0
    assert library.open(OLD).metadata.num_records == 10
    assert store.calls["get 000001"] == store.calls["get 000002"] == 0
    writer.further()
    clock.now = 10.0
    assert library.open(OLD).metadata.num_records == 30


def test_a_damaged_state_that_was_replaced_when_the_run_went_on_is_shown(
    store: WatchedStore, writer: LiveWriter, library: RunLibrary, clock: Clock
) -> None:
    writer.further()
    damage(store, writer, 2)
    assert library.open(OLD).metadata.num_records == 10
    writer.save()
    writer.folder.write_metadata(writer.metadata.model_copy(update={"status": "interrupted"}))
    clock.now = 5.0
    assert library.open(OLD).metadata.num_records == 20


def test_a_run_whose_states_are_all_damaged_says_so(
    store: WatchedStore, writer: LiveWriter, library: RunLibrary
) -> None:
    writer.further()
    damage(store, writer, 1)
    damage(store, writer, 2)
    with pytest.raises(
        DamagedError, match=f"^run {OLD} can't be shown: {OLD}/state/000002 can't be used, this state file"
    ):
        library.open(OLD)


def test_a_damaged_state_is_an_error_and_no_missing_run(
    store: WatchedStore, writer: LiveWriter, library: RunLibrary
) -> None:
    store.put(writer.folder.state(1), b"nonsense")
    with pytest.raises(SaescopeError) as caught:
        library.open(OLD)
    assert not isinstance(caught.value, NotFoundError)
