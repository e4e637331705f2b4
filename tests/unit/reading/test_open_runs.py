"""The runs of a store: finished ones from their files, the others as far as they are, and none that is gone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.reading.live_run import LiveRun
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.reading.published_run import PublishedRun
from sparse_autoencoder.runs.store import NotFoundError
from tests.support.live_runs import MIDDLE, NEW, OLD, LiveWriter, start
from tests.support.watched_store import Clock, WatchedStore


def records(library: RunLibrary, run_id: str) -> int:
    return library.open(run_id).metadata.num_records


def assert_gone(ask: Callable[[], object]) -> None:
    with pytest.raises(NotFoundError, match=f"^there is no run '{OLD}'$"):
        ask()


def test_a_finished_run_is_shown_from_its_files(store: WatchedStore, library: RunLibrary) -> None:
    start(store, OLD).finish()
    run = library.open(OLD)
    assert isinstance(run, PublishedRun)
    assert not run.live


def test_an_unfinished_run_is_shown_as_far_as_it_is(store: WatchedStore, library: RunLibrary) -> None:
    start(store, OLD, chunks=2)
    run = library.open(OLD)
    assert isinstance(run, LiveRun)
    assert run.live
    assert run.metadata.num_records == 20


def test_a_run_that_services_compute_is_shown_by_its_plan(
    store: WatchedStore, writer: LiveWriter, library: RunLibrary
) -> None:
    writer.folder.write_plan(writer.metadata)
    store.delete(writer.folder.metadata)
    assert records(library, OLD) == 10


def test_a_later_state_is_shown_a_second_later(writer: LiveWriter, library: RunLibrary, clock: Clock) -> None:
    assert records(library, OLD) == 10
    writer.further()
    assert records(library, OLD) == 10
    clock.now = 1.0
    assert records(library, OLD) == 20


def test_within_a_second_nothing_is_asked_of_the_store(store: WatchedStore, library: RunLibrary, clock: Clock) -> None:
    start(store, OLD)
    library.open(OLD)
    before = store.calls.total()
    clock.now = 0.9
    library.open(OLD)
    assert store.calls.total() == before


def test_a_state_is_read_once_while_it_is_the_newest(store: WatchedStore, library: RunLibrary, clock: Clock) -> None:
    start(store, OLD)
    first = library.open(OLD)
    clock.now = 5.0
    assert library.open(OLD) is first
    assert store.calls["get 000001"] == 1


def test_a_change_of_status_is_shown_without_reading_the_state_again(
    store: WatchedStore, writer: LiveWriter, library: RunLibrary, clock: Clock
) -> None:
    assert library.open(OLD).metadata.status == "running"
    writer.folder.write_metadata(writer.metadata.model_copy(update={"status": "interrupted"}))
    clock.now = 1.0
    assert library.open(OLD).metadata.status == "interrupted"
    assert records(library, OLD) == 10
    assert store.calls["get 000001"] == 1


def test_a_run_that_finishes_is_shown_from_its_files_then(
    writer: LiveWriter, library: RunLibrary, clock: Clock
) -> None:
    live = library.open(OLD)
    writer.finish()
    clock.now = 1.0
    published = library.open(OLD)
    assert isinstance(published, PublishedRun)
    assert live.feature(0)["histogram"] == published.feature(0)["histogram"]  # what was opened before still works


def test_a_run_that_is_known_to_have_finished_is_shown_from_its_files_at_once(
    writer: LiveWriter, library: RunLibrary
) -> None:
    library.open(OLD)
    writer.finish()
    library.has_finished(OLD)
    assert isinstance(library.open(OLD), PublishedRun)


def test_a_finished_run_stays_open(store: WatchedStore, library: RunLibrary, clock: Clock) -> None:
    start(store, OLD).finish()
    first = library.open(OLD)
    clock.now = 100.0
    assert library.open(OLD) is first


# Things that happen between the look for the newest state and its reading.


def test_a_state_that_is_replaced_while_it_is_read_gives_the_later_one(
    store: WatchedStore, writer: LiveWriter, library: RunLibrary
) -> None:
    def twice_further() -> None:  # the state before the furthest stays
        writer.further()
        writer.further()

    store.before[writer.folder.state(1)] = twice_further
    assert records(library, OLD) == 30


def test_a_run_that_finishes_while_its_state_is_read_is_shown_from_its_files(
    store: WatchedStore, writer: LiveWriter, library: RunLibrary
) -> None:
    store.before[writer.folder.state(1)] = writer.finish
    assert isinstance(library.open(OLD), PublishedRun)


def test_a_run_that_is_deleted_while_its_state_is_read_is_not_found(
    store: WatchedStore, writer: LiveWriter, library: RunLibrary
) -> None:
    store.before[writer.folder.state(1)] = writer.delete
    assert_gone(lambda: library.open(OLD))


# States that are damaged.


# Runs with nothing to show.


@pytest.mark.parametrize("status", ["running", "interrupted", "failed"])
def test_a_run_without_a_state_has_nothing_to_show_yet(store: WatchedStore, library: RunLibrary, status: str) -> None:
    writer = start(store, OLD, chunks=0)
    writer.folder.write_metadata(writer.metadata.model_copy(update={"status": status}))
    with pytest.raises(NotFoundError, match=f"^run {OLD} has nothing to show yet: it is {status}$"):
        library.open(OLD)


def test_a_state_in_which_nothing_was_encoded_is_nothing_to_show(store: WatchedStore, library: RunLibrary) -> None:
    writer = LiveWriter.start(store, OLD)
    writer.fail(10)
    writer.save()
    with pytest.raises(NotFoundError, match=f"^run {OLD} has nothing to show yet: it is running$"):
        library.open(OLD)


@pytest.mark.parametrize("run_id", [NEW, "", "..", "a/b", "x" * 300])
def test_a_name_that_no_run_has_is_not_found(store: WatchedStore, library: RunLibrary, run_id: str) -> None:
    start(store, OLD)
    with pytest.raises(NotFoundError, match=r"^there is no run '"):
        library.open(run_id)


# Runs that were deleted.


@pytest.mark.parametrize("finished", [True, False])
def test_a_run_that_was_deleted_is_not_found_a_second_later(
    writer: LiveWriter, library: RunLibrary, clock: Clock, finished: bool
) -> None:
    if finished:
        writer.finish()
    library.open(OLD)
    writer.delete()
    clock.now = 1.0
    assert_gone(lambda: library.open(OLD))


@pytest.mark.parametrize("finished", [True, False])
def test_a_run_that_is_forgotten_is_not_found_at_once(writer: LiveWriter, library: RunLibrary, finished: bool) -> None:
    if finished:
        writer.finish()
    library.open(OLD)
    writer.delete()
    library.forget(OLD)
    assert_gone(lambda: library.open(OLD))


def test_a_finished_run_that_was_deleted_says_so_when_its_files_are_missed(
    writer: LiveWriter, library: RunLibrary
) -> None:
    writer.finish()
    run = library.open(OLD)
    writer.delete()
    assert_gone(lambda: run.feature(0))


def test_a_deleted_run_is_listed_no_longer(store: WatchedStore, library: RunLibrary) -> None:
    start(store, OLD).finish()
    newer = start(store, NEW)
    newer.finish()
    assert [run.run_id for run in library.all()] == [NEW, OLD]
    newer.delete()
    assert [run.run_id for run in library.all()] == [OLD]
    assert library.newest().metadata.run_id == OLD


def test_a_deleted_run_whose_folder_is_still_listed_disappears_too(
    store: WatchedStore, library: RunLibrary, clock: Clock
) -> None:
    start(store, OLD).finish()
    newer = start(store, NEW)
    newer.finish()
    library.all()
    newer.delete()
    store.put(f"{NEW}/stopped.json", b"{}")
    clock.now = 1.0
    assert library.newest().metadata.run_id == OLD
    assert [run.run_id for run in library.all()] == [OLD]


# The default run.


def test_the_newest_finished_run_comes_before_later_unfinished_ones(store: WatchedStore, library: RunLibrary) -> None:
    start(store, OLD).finish()
    start(store, MIDDLE).finish()
    start(store, NEW)
    assert library.newest().metadata.run_id == MIDDLE


def test_without_a_finished_run_the_newest_with_something_to_show_is_the_default(
    store: WatchedStore, library: RunLibrary
) -> None:
    start(store, OLD)
    start(store, MIDDLE)
    start(store, NEW, chunks=0)
    assert library.newest().metadata.run_id == MIDDLE


def test_folders_that_hold_no_run_are_passed_over(store: WatchedStore, library: RunLibrary) -> None:
    start(store, OLD).finish()
    store.put(f"{NEW}/request.json", b"{}")
    (store.root / MIDDLE).mkdir()
    store.put(".hidden/metadata.json", b"{}")
    assert library.newest().metadata.run_id == OLD
    assert [run.run_id for run in library.all()] == [OLD]


def test_there_being_nothing_to_show_is_an_error_that_says_what_to_do(store: WatchedStore, library: RunLibrary) -> None:
    start(store, OLD, chunks=0)
    with pytest.raises(NotFoundError, match=r"^there is no finished run yet: start one with `saescope run`$"):
        library.newest()


def test_what_is_wrong_with_the_only_run_is_said(store: WatchedStore, writer: LiveWriter, library: RunLibrary) -> None:
    store.put(writer.folder.metadata, b"{}")
    with pytest.raises(SaescopeError, match=f"the metadata.json of run {OLD} can't be understood"):
        library.newest()


def test_finished_runs_are_read_once_and_looked_at_now_and_then(
    store: WatchedStore, library: RunLibrary, clock: Clock
) -> None:
    start(store, OLD).finish()
    start(store, NEW).finish()
    store.calls.clear()
    for second in range(20):
        clock.now = second / 20
        assert library.newest().metadata.run_id == NEW
        library.all()
    assert store.calls == {"get metadata.json": 2}


# Memory.
