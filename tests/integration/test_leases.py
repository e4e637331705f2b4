"""Leases on a real Redis: one holder at a time, for as long as it renews, and whoever loses one gets to know."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from services.common.dependency_interfaces import Leases, UnavailableError
from services.common.redis.leases import LEASE_PREFIX, Hold, RedisLeases
from tests.support.servers import RedisServer
from tests.support.waiting import PATIENCE_S, wait_until

LONG_S = 60.0
SHORT_S = 1.0


@pytest.fixture
def leases(server: RedisServer) -> Iterator[RedisLeases]:
    leases = RedisLeases.at(server.url, LONG_S)
    yield leases
    leases.close()


@pytest.fixture
def brief(server: RedisServer) -> Iterator[RedisLeases]:
    """Leases that last a moment."""
    leases = RedisLeases.at(server.url, SHORT_S)
    yield leases
    leases.close()


def test_it_is_the_port(leases: RedisLeases) -> None:
    port: Leases = leases  # what mypy checks
    with port.hold("run/1"):
        assert port.held("run/") == {"run/1"}


def test_a_free_name_is_taken_by_the_first_alone(leases: RedisLeases) -> None:
    assert leases.acquire("run/1", "a")
    assert not leases.acquire("run/1", "b")
    assert not leases.acquire("run/1", "a")
    assert leases.acquire("run/2", "b")


def test_of_many_at_once_one_gets_it(leases: RedisLeases) -> None:
    together = threading.Barrier(8)

    def try_all(owner: str) -> list[int]:
        together.wait(PATIENCE_S)
        return [number for number in range(50) if leases.acquire(f"run/{number}", owner)]

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(try_all, map(str, range(8))))
    assert sorted(number for numbers in taken for number in numbers) == list(range(50))


def test_never_two_are_inside_a_hold_at_once(leases: RedisLeases) -> None:
    inside: list[str] = []
    crowds: list[int] = []

    def work(owner: str) -> int:
        """Enter ten times, however often that must be tried."""
        entered, deadline = 0, time.monotonic() + PATIENCE_S
        while entered < 10 and time.monotonic() < deadline:
            with leases.hold("run/1") as hold:
                if hold is not None:
                    inside.append(owner)
                    time.sleep(0)  # lets the others try
                    crowds.append(len(inside))
                    inside.remove(owner)
                    entered += 1
        return entered

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, "abcd")) == [10, 10, 10, 10]
    assert crowds == [1] * 40


def test_a_lease_that_nobody_renews_is_free_again(brief: RedisLeases) -> None:
    assert brief.acquire("run/1", "a")
    wait_until(lambda: brief.acquire("run/1", "b"))
    assert not brief.renew("run/1", "a")


def test_a_renewed_lease_lasts_as_long_as_a_new_one(client: redis.Redis, leases: RedisLeases) -> None:
    leases.acquire("run/1", "a")
    client.pexpire(LEASE_PREFIX + "run/1", 5_000)
    assert leases.renew("run/1", "a")
    assert 50_000 < int(client.pttl(LEASE_PREFIX + "run/1")) <= 60_000


def test_only_the_owner_renews(server: RedisServer, leases: RedisLeases) -> None:
    leases.acquire("run/1", "a")
    assert not leases.renew("run/1", "b")
    assert leases.renew("run/1", "a")


def test_a_lease_that_was_never_taken_is_not_renewed(leases: RedisLeases) -> None:
    assert not leases.renew("run/1", "a")
    assert leases.acquire("run/1", "b")


def test_only_the_owner_releases(leases: RedisLeases) -> None:
    leases.acquire("run/1", "a")
    leases.release("run/1", "b")
    assert not leases.acquire("run/1", "c")
    leases.release("run/1", "a")
    assert leases.acquire("run/1", "c")


def test_releasing_what_is_not_held_is_fine(leases: RedisLeases) -> None:
    leases.release("run/1", "a")
    assert leases.held("") == set()


def test_a_wiped_redis_has_lost_all_leases(server: RedisServer, leases: RedisLeases) -> None:
    leases.acquire("run/1", "a")
    server.flush()
    assert not leases.renew("run/1", "a")
    assert leases.held("") == set()


def test_a_redis_killed_and_started_again_keeps_leases(server: RedisServer, leases: RedisLeases) -> None:
    leases.acquire("run/1", "a")
    server.restart()
    assert not leases.acquire("run/1", "b")
    assert leases.renew("run/1", "a")


@pytest.mark.parametrize(
    ("prefix", "names"),
    [
        ("", {"run-1/1", "run-1/2", "run-10/1", "r*n/[1]?\\"}),
        ("run-1", {"run-1/1", "run-1/2", "run-10/1"}),
        ("run-1/", {"run-1/1", "run-1/2"}),
        ("run-2", set()),
        ("r*n/[1]?\\", {"r*n/[1]?\\"}),
        ("r?n", set()),
        ("*", set()),
    ],
)
def test_held_are_the_names_with_that_beginning(leases: RedisLeases, prefix: str, names: set[str]) -> None:
    for name in ("run-1/1", "run-1/2", "run-10/1", "r*n/[1]?\\", "run-1/freed"):
        leases.acquire(name, "a")
    leases.release("run-1/freed", "a")
    assert leases.held(prefix) == names


def test_more_names_than_one_answer_holds_are_all_held(leases: RedisLeases) -> None:
    names = {f"run/{number}" for number in range(2_500)}
    for name in names:
        leases.acquire(name, "a")
    assert leases.held("run/") == names


def test_what_is_held_in_a_block_is_free_after_it(leases: RedisLeases) -> None:
    with leases.hold("run/1") as hold:
        assert hold is not None
        assert not hold.lost
        assert leases.held("") == {"run/1"}
    assert leases.held("") == set()


def test_what_is_held_is_free_after_a_block_that_fails(leases: RedisLeases) -> None:
    with pytest.raises(ZeroDivisionError), leases.hold("run/1"):
        _ = 1 / 0
    assert leases.held("") == set()


def test_a_name_that_somebody_has_gives_no_hold_and_stays_theirs(leases: RedisLeases) -> None:
    leases.acquire("run/1", "a")
    with leases.hold("run/1") as hold:
        assert hold is None
    assert leases.renew("run/1", "a")


def test_a_hold_outlasts_its_lease(client: redis.Redis, brief: RedisLeases) -> None:
    with brief.hold("run/1") as hold:
        assert hold is not None
        owner = client.get(LEASE_PREFIX + "run/1")
        until = time.monotonic() + 2.5 * SHORT_S
        while time.monotonic() < until:
            assert client.get(LEASE_PREFIX + "run/1") == owner is not None
            assert not hold.lost
            time.sleep(0.01)


def test_no_thread_is_left_after_a_hold(brief: RedisLeases) -> None:
    with brief.hold("run/1"):
        assert "lease run/1" in {thread.name for thread in threading.enumerate()}
    assert "lease run/1" not in {thread.name for thread in threading.enumerate()}


def test_a_hold_notices_that_redis_was_wiped(server: RedisServer, brief: RedisLeases) -> None:
    with brief.hold("run/1") as hold:
        assert hold is not None
        server.flush()
        wait_until(lambda: hold.lost)


def test_a_hold_that_was_lost_stays_lost() -> None:
    hold = Hold(time.monotonic() + LONG_S, time.monotonic)
    assert not hold.lost
    hold.lose()
    hold.extend(time.monotonic() + LONG_S)
    assert hold.lost


def test_a_renewal_that_comes_too_late_saves_no_hold() -> None:
    hold = Hold(time.monotonic(), time.monotonic)
    hold.extend(time.monotonic() + LONG_S)
    assert hold.lost


def test_a_hold_that_was_lost_leaves_the_next_owner_alone(server: RedisServer, brief: RedisLeases) -> None:
    forever = RedisLeases.at(server.url, LONG_S)
    with brief.hold("run/1") as hold:
        assert hold is not None
        server.flush()
        wait_until(lambda: hold.lost)
        assert forever.acquire("run/1", "b")
    assert forever.renew("run/1", "b")
    forever.close()


def test_a_hold_is_lost_when_redis_stays_away_and_the_block_still_ends(server: RedisServer, brief: RedisLeases) -> None:
    try:
        with brief.hold("run/1") as hold:
            assert hold is not None
            server.kill()
            wait_until(lambda: hold.lost)
    finally:
        server.start()


def test_a_silent_redis_is_an_error_and_a_hold_under_it_is_lost(server: RedisServer, brief: RedisLeases) -> None:
    with brief.hold("run/1") as hold:
        assert hold is not None
        server.pause()
        try:
            with pytest.raises(UnavailableError, match=r"^Redis can't be used for leases.*[Tt]imeout"):
                brief.acquire("run/2", "a")
            wait_until(lambda: hold.lost)
        finally:
            server.resume()


class Watched(RedisLeases):
    """Tells how its last renewal went."""

    last = "none yet"

    def renew(self, name: str, owner: str) -> bool:
        self.last = "failed"
        renewed = super().renew(name, owner)
        self.last = "worked" if renewed else "refused"
        return renewed


def test_a_hold_survives_a_redis_that_comes_back_in_time(server: RedisServer) -> None:
    leases = Watched.at(server.url, 6.0)
    with leases.hold("run/1") as hold:
        assert hold is not None
        server.kill()
        wait_until(lambda: leases.last == "failed")
        server.start()
        wait_until(lambda: leases.last == "worked")
        assert not hold.lost
    leases.close()


@pytest.mark.parametrize(
    "call",
    [
        lambda leases: leases.acquire("run/1", "a"),
        lambda leases: leases.renew("run/1", "a"),
        lambda leases: leases.release("run/1", "a"),
        lambda leases: leases.held("run/"),
    ],
)
def test_a_redis_that_is_down_is_a_sentence(
    server: RedisServer, leases: RedisLeases, call: Callable[[RedisLeases], Any]
) -> None:
    server.kill()
    try:
        with pytest.raises(UnavailableError, match=r"^Redis can't be used for leases; is it up\? \(.*refused"):
            call(leases)
    finally:
        server.start()
