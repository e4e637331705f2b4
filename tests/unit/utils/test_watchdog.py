"""Work that doesn't move is noticed at its deadline, and work that moves is left alone."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.utils.watchdog import Watchdog, Work, all_threads, patience_s
from tests.support.waiting import wait_until
from tests.support.watched_store import Clock

PATIENCE_S = 60  # for what should come at once


class Timer:
    """A backstop that only says what it is set to."""

    def __init__(self) -> None:
        self.seconds: float | None = None

    def arm(self, seconds: float) -> None:
        self.seconds = seconds

    def disarm(self) -> None:
        self.seconds = None


class Watched:
    """A watchdog whose time is set by hand, and what it found."""

    def __init__(self) -> None:
        self.clock, self.timer = Clock(), Timer()
        self.found: list[str] = []
        self.watchdog = Watchdog(self.note, backstop=self.timer, clock=self.clock)

    def note(self, work: Work) -> None:
        self.found.append(f"{work.what}: {work.seconds:g} s, still for {work.still_s:g} s")

    def at(self, seconds: float) -> list[str]:
        """What was found by this time."""
        self.clock.now = seconds
        self.watchdog.look()
        return self.found


def test_work_that_never_moves_is_found_after_the_floor() -> None:
    watched = Watched()
    with watched.watchdog.watching("chunk 7", 600):
        assert watched.at(600) == []
        assert watched.at(601) == ["chunk 7: 601 s, still for 601 s"]


def test_work_has_ten_times_what_such_work_takes_where_that_is_more_than_the_floor() -> None:
    watched = Watched()
    with watched.watchdog.watching("chunk 7", 600, usual_s=75):
        assert watched.at(750) == []
        assert watched.at(751) == ["chunk 7: 751 s, still for 751 s"]


def test_each_move_gives_the_floor_again() -> None:
    watched = Watched()
    with watched.watchdog.watching("chunk 7", 600) as work:
        for seconds in range(500, 5000, 500):
            assert watched.at(seconds) == []
            work.moved()
        assert watched.at(5100) == []
        assert watched.at(5101) == ["chunk 7: 5101 s, still for 601 s"]


def test_a_move_takes_nothing_from_the_time_that_work_has_anyway() -> None:
    watched = Watched()
    with watched.watchdog.watching("chunk 7", 60, usual_s=75) as work:
        watched.at(10)
        work.moved()
        assert watched.at(750) == []


def test_work_is_found_once_for_each_time_that_it_stands_still() -> None:
    watched = Watched()
    with watched.watchdog.watching("standard input", 60) as work:
        assert len(watched.at(61)) == 1
        assert len(watched.at(200)) == 1
        work.moved()
        assert len(watched.at(260)) == 1
        assert len(watched.at(261)) == 2


def test_work_that_is_done_or_has_failed_is_not_watched_any_more() -> None:
    watched = Watched()
    with watched.watchdog.watching("chunk 7", 600):
        pass
    with pytest.raises(KeyError), watched.watchdog.watching("chunk 8", 600):
        raise KeyError
    assert watched.at(10_000) == []


def test_several_works_have_a_deadline_each() -> None:
    watched = Watched()
    with watched.watchdog.watching("chunk 7", 600), watched.watchdog.watching("reading", 60) as reading:
        assert watched.at(61) == ["reading: 61 s, still for 61 s"]
        reading.what = "reading row 5"
        reading.moved()
        assert watched.at(122)[1:] == ["reading row 5: 122 s, still for 61 s"]


def test_time_in_which_the_process_was_stopped_does_not_count() -> None:
    watched = Watched()
    with watched.watchdog.watching("chunk 7", 600):
        watched.clock.now = 5000
        watched.watchdog.look(not_counted_s=4990)
        assert watched.at(5590) == []
        assert watched.at(5591) == ["chunk 7: 601 s, still for 601 s"]


def test_a_notice_is_given_in_the_place_of_what_is_done_about_work_that_hangs() -> None:
    watched = Watched()
    said: list[str] = []
    with watched.watchdog.watching("a pipe", 60, notice=lambda work: said.append(work.what)):
        assert watched.at(61) == []
    assert said == ["a pipe"]


def test_the_backstop_comes_a_floor_after_the_deadline_and_moves_on_with_it() -> None:
    watched = Watched()
    with watched.watchdog.watching("chunk 7", 600) as work:
        assert watched.timer.seconds == 1200
        watched.at(100)
        assert watched.timer.seconds == 1100
        work.moved()
        watched.at(101)
        assert watched.timer.seconds == 1199
    assert watched.timer.seconds is None


def test_the_backstop_does_not_come_for_work_that_may_wait() -> None:
    watched = Watched()
    with watched.watchdog.watching("a pipe", 60, notice=lambda _work: None):
        assert watched.timer.seconds is None


def test_what_is_done_about_work_that_hangs_has_time_before_the_backstop_comes() -> None:
    watched = Watched()
    seen: list[float | None] = []
    watchdog = Watchdog(lambda _work: seen.append(watched.timer.seconds), backstop=watched.timer, clock=watched.clock)
    with watchdog.watching("chunk 7", 1):
        watched.clock.now = 2
        watchdog.look()
    assert seen == [300]


def test_a_thread_looks_by_itself() -> None:
    found = threading.Event()
    with Watchdog(lambda _work: found.set(), look_every_s=0.01) as watchdog, watchdog.watching("chunk 7", 0.01):
        assert found.wait(PATIENCE_S)


def test_a_thread_that_comes_late_to_look_takes_it_that_all_were_stopped() -> None:
    jump, looks = 0.0, 0

    def clock() -> float:
        nonlocal looks
        looks += 1
        return time.monotonic() + jump

    found: list[str] = []
    watchdog = Watchdog(lambda work: found.append(work.what), clock=clock, look_every_s=0.01)
    with watchdog, watchdog.watching("chunk 7", 500):
        wait_until(lambda: looks > 10)
        jump = 1000.0
        before = looks
        wait_until(lambda: looks > before + 10)  # several looks, of which the first comes late
    assert found == []


def test_leaving_ends_the_thread() -> None:
    threads = threading.active_count()
    with Watchdog(lambda _work: None):
        assert threading.active_count() == threads + 1
    assert threading.active_count() == threads


GIL = """
import ctypes, sys
from sparse_autoencoder.utils.watchdog import Backstop, Watchdog

with Watchdog(lambda work: None, backstop=Backstop(sys.stderr)) as watchdog, watchdog.watching("chunk 7", 0.2):
    ctypes.PyDLL(None).sleep(100)  # keeps the interpreter's lock
"""


def test_the_backstop_ends_a_process_in_which_native_code_keeps_the_lock() -> None:
    done = subprocess.run([sys.executable, "-c", GIL], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 1
    assert "Timeout (" in done.stderr
    assert 'File "<string>", line 6 in <module>' in done.stderr


def test_all_threads_are_told_with_what_they_do() -> None:
    begun, end = threading.Event(), threading.Event()

    def waits_for_the_end() -> None:
        begun.set()
        end.wait(PATIENCE_S)

    thread = threading.Thread(target=waits_for_the_end, name="side_0")
    thread.start()
    try:
        assert begun.wait(PATIENCE_S)
        told = all_threads()
    finally:
        end.set()
        thread.join()
    assert "Thread side_0:\n" in told
    assert "in waits_for_the_end\n" in told
    assert "Thread MainThread:\n" in told


@pytest.mark.parametrize(
    ("given", "seconds"), [({}, 600), ({"SAESCOPE_PATIENCE_S": ""}, 600), ({"SAESCOPE_PATIENCE_S": "1.5"}, 1.5)]
)
def test_how_long_work_may_stand_still_is_a_variable(given: dict[str, str], seconds: float) -> None:
    assert patience_s(given) == seconds


@pytest.mark.parametrize("given", ["soon", "0", "-1", "nan", "inf", "1e300"])
def test_a_patience_that_is_no_number_of_seconds_is_refused_with_the_variable_s_name(given: str) -> None:
    with pytest.raises(SaescopeError, match=f"SAESCOPE_PATIENCE_S is '{given}', but it must be a number of seconds"):
        patience_s({"SAESCOPE_PATIENCE_S": given})
