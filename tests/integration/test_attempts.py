"""Attempts and workers on a real Redis: who has tried what, and who is alive."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from services.common.dependency_interfaces import AttemptRecord, Attempts, UnavailableError, Unfit, Workers
from services.common.redis.attempts import ATTEMPTS_PREFIX, RedisAttempts
from services.common.redis.redis_client import redis_client
from services.common.redis.worker_presence import RedisWorkers
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until

REASON = "RuntimeError: too hard"


@pytest.fixture
def strings(server: RedisServer) -> Iterator[redis.Redis]:
    with redis_client(server.url, timeout_s=2, connect_timeout_s=2, decode_responses=True) as client:
        yield client


@pytest.fixture
def attempts(strings: redis.Redis) -> Attempts:
    return RedisAttempts(strings)


@pytest.fixture
def workers(strings: redis.Redis) -> RedisWorkers:
    return RedisWorkers(strings)


def test_attempts_are_counted_by_worker_and_thing(attempts: Attempts) -> None:
    assert attempts.begin("run-1", "encode/000001", "a/1") == AttemptRecord({"a/1": 1})
    assert attempts.begin("run-1", "encode/000001", "a/1") == AttemptRecord({"a/1": 2})
    assert attempts.begin("run-1", "encode/000001", "b/1") == AttemptRecord({"a/1": 2, "b/1": 1})
    assert attempts.tried("run-1", "encode/000002") == attempts.tried("run-2", "encode/000001") == AttemptRecord({})


def test_failures_are_told_with_the_last_reason_and_the_others_are_lost(attempts: Attempts) -> None:
    for worker in ("a", "b", "c"):
        attempts.begin("run-1", "ingest", worker)
    attempts.failed("run-1", "ingest", "first", 10.0)
    attempts.failed("run-1", "ingest", REASON, 20.0)
    tried = attempts.tried("run-1", "ingest")
    assert tried == AttemptRecord({"a": 1, "b": 1, "c": 1}, 2, REASON, 20.0)
    assert (tried.total, tried.lost) == (3, 1)


def test_what_is_taken_back_was_none_and_what_was_never_counted_is_not_owed(attempts: Attempts) -> None:
    attempts.begin("run-1", "ingest", "a")
    attempts.begin("run-1", "ingest", "a")
    attempts.take_back("run-1", "ingest", "a")
    assert attempts.tried("run-1", "ingest") == AttemptRecord({"a": 1})
    attempts.take_back("run-1", "ingest", "a")
    attempts.take_back("run-1", "ingest", "a")
    assert attempts.tried("run-1", "ingest") == AttemptRecord({})
    assert attempts.begin("run-1", "ingest", "a") == AttemptRecord({"a": 1})


def test_one_thing_is_forgotten_or_a_whole_run(attempts: Attempts) -> None:
    for run, what in (("run-1", "encode/000001"), ("run-1", "encode/00000"), ("run-1", "ingest"), ("run-10", "ingest")):
        attempts.begin(run, what, "a")
        attempts.failed(run, what, REASON, 1.0)
    attempts.forget("run-1", "encode/00000")
    assert attempts.tried("run-1", "encode/00000") == AttemptRecord({})
    assert attempts.tried("run-1", "encode/000001").total == 1
    attempts.forget("run-1")
    assert attempts.tried("run-1", "encode/000001") == attempts.tried("run-1", "ingest") == AttemptRecord({})
    assert attempts.tried("run-10", "ingest").total == 1


def test_attempts_of_forgotten_runs_do_not_stay_for_ever(attempts: Attempts, strings: redis.Redis) -> None:
    attempts.begin("run-1", "ingest", "a")
    assert 604_000 < int(str(strings.ttl(ATTEMPTS_PREFIX + "run-1"))) <= 604_800


@pytest.mark.parametrize(
    ("by_worker", "able", "over"),
    [
        ({"a": 2}, {"a"}, False),
        ({"a": 3}, {"a"}, True),
        ({"a": 3}, {"a", "b"}, False),  # another could try it
        ({"a": 2, "b": 1}, {"a", "b"}, True),
        ({"a": 2, "b": 1}, {"a", "b", "c"}, False),
        ({"a": 1, "b": 1, "c": 1}, {"a", "b", "c", "d"}, True),  # three different ones are enough
        ({"a": 12}, {"a", "b"}, True),  # the other has no time for it
        ({}, {"a"}, False),
    ],
)
def test_something_has_failed_for_good_after_attempts_of_different_workers_where_there_are_several(
    by_worker: dict[str, int], able: set[str], over: bool
) -> None:
    assert AttemptRecord(by_worker).exhausted(3, able) is over


def test_a_worker_is_alive_while_it_says_so(workers: RedisWorkers) -> None:
    port: Workers = workers
    with workers.present("encoder", "host/1"), workers.present("encoder", "host/2"), workers.present("ingest", "i/1"):
        wait_until(lambda: port.alive("encoder") == {"host/1", "host/2"})
        wait_until(lambda: port.alive("ingest") == {"i/1"})
    assert port.alive("encoder") == port.alive("ingest") == set()


def test_a_worker_that_is_killed_is_dead_after_some_seconds(workers: RedisWorkers, strings: redis.Redis) -> None:
    with workers.present("encoder", "host/1"):
        wait_until(lambda: workers.alive("encoder") == {"host/1"})
        assert 0 < int(str(strings.pttl("saescope:worker:encoder host/1"))) <= 15_000


def test_workers_say_why_they_cannot_work_on_a_run(workers: RedisWorkers, strings: redis.Redis) -> None:
    workers.say_unfit("run-1", "a", Unfit("another processor", other_kind=True))
    workers.say_unfit("run-10", "b", Unfit("no bucket", other_kind=False))
    assert workers.unfit("run-1") == {"a": Unfit("another processor", other_kind=True)}
    assert 0 < int(str(strings.pttl("saescope:unfit:run-1 a"))) <= 60_000


def test_a_redis_that_is_down_is_a_sentence(server: RedisServer, attempts: Attempts, workers: RedisWorkers) -> None:
    server.kill()
    try:
        with pytest.raises(UnavailableError, match=r"^Redis can.t be used for counting attempts"):
            attempts.begin("run-1", "ingest", "a")
        with pytest.raises(UnavailableError, match=r"^Redis can't be asked about workers; is it up\? \("):
            workers.alive("encoder")
    finally:
        server.start()
