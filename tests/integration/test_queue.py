"""The queue on a real Redis: what is sent waits, what isn't ours is passed over, and trouble is a sentence."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from services.common.dependency_interfaces import Queue, UnavailableError
from services.common.tasks.celery_app import QUEUES
from services.common.tasks.celery_queue import CeleryQueue
from services.common.tasks.messages import Message
from tests.support.servers import RedisServer
from tests.support.workers import queue_app

FIRST = Message(task="encode", run_id="run-1", chunk=0)
SECOND = Message(task="encode", run_id="run-1", chunk=1)
INGEST = Message(task="ingest", run_id="run-1")
CALLS: list[Callable[[CeleryQueue], Any]] = [
    lambda queue: queue.send(FIRST),
    lambda queue: queue.waiting("encode"),
    lambda queue: queue.depth("encode"),
]


def test_it_is_the_port(queue: CeleryQueue) -> None:
    port: Queue = queue  # what mypy checks
    port.send(FIRST)
    assert port.waiting("encode") == {FIRST}


def test_each_task_has_a_queue_of_its_own(queue: CeleryQueue) -> None:
    for message in (FIRST, SECOND, INGEST):
        queue.send(message)
    assert queue.waiting("encode") == {FIRST, SECOND}
    assert queue.waiting("ingest") == {INGEST}
    assert queue.waiting("aggregate") == set()
    assert [queue.depth(name) for name in QUEUES] == [1, 2, 0, 0]


def test_looking_takes_nothing(queue: CeleryQueue) -> None:
    queue.send(FIRST)
    assert [queue.waiting("encode") for _ in range(3)] == [{FIRST}] * 3
    assert queue.depth("encode") == 1


def test_a_message_that_was_sent_twice_waits_twice(queue: CeleryQueue) -> None:
    queue.send(FIRST)
    queue.send(FIRST)
    assert queue.waiting("encode") == {FIRST}
    assert queue.depth("encode") == 2


def test_everything_that_threads_send_at_once_arrives(queue: CeleryQueue) -> None:
    messages = [Message(task="encode", run_id="run-1", chunk=number) for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(queue.send, messages))
    assert queue.waiting("encode") == set(messages)
    assert queue.depth("encode") == 200


def envelope(body: object) -> bytes:
    content = {"body": base64.b64encode(json.dumps(body).encode()).decode(), "headers": {}}
    kind = {"content-type": "application/json", "content-encoding": "utf-8"}
    return json.dumps(content | kind | {"properties": {"body_encoding": "base64", "delivery_tag": "1"}}).encode()


@pytest.mark.parametrize(
    "entry",
    [
        b"",
        b"\xff\xfe",
        b"not JSON",
        b"5",
        b"{}",
        b'{"body": 5}',
        b'{"body": "no base64!"}',
        envelope(5),
        envelope([[], {}, {}]),
        envelope([[1, 2], {}, {}]),
        envelope([["text"], {}, {}]),
        envelope([[{**FIRST.model_dump(), "version": 2}], {}, {}]),
        envelope([[{**FIRST.model_dump(), "run_id": "../else"}], {}, {}]),
        envelope([[INGEST.model_dump()], {}, {}]),
    ],
)
def test_an_entry_that_is_no_message_of_the_task_is_passed_over(
    client: redis.Redis, queue: CeleryQueue, entry: bytes
) -> None:
    queue.send(FIRST)
    client.lpush("encode", entry)
    assert queue.waiting("encode") == {FIRST}
    assert queue.depth("encode") == 2


def test_the_form_of_an_entry_is_the_one_that_is_read(client: redis.Redis, queue: CeleryQueue) -> None:
    client.lpush("encode", envelope([[FIRST.model_dump()], {}, {}]))
    assert queue.waiting("encode") == {FIRST}


@pytest.mark.parametrize("call", CALLS)
def test_a_redis_that_is_down_is_a_sentence(
    server: RedisServer, queue: CeleryQueue, call: Callable[[CeleryQueue], Any]
) -> None:
    server.kill()
    try:
        with pytest.raises(
            UnavailableError, match=r"^Redis can't be used for the queue encode; is it up\? \(.*refused"
        ):
            call(queue)
    finally:
        server.start()


@pytest.mark.parametrize("call", CALLS[:2])
def test_a_redis_that_is_silent_is_a_sentence(
    server: RedisServer, queue: CeleryQueue, call: Callable[[CeleryQueue], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("celery_app", "celery_queue"):
        monkeypatch.setattr(f"services.common.tasks.{module}.SOCKET_TIMEOUT_S", 0.5)
    impatient = CeleryQueue(queue_app(server.url))
    impatient.send(SECOND)
    server.pause()
    try:
        with pytest.raises(UnavailableError, match=r"^Redis can't be used.*[Tt]imeout"):
            call(impatient)
    finally:
        server.resume()


def test_a_redis_that_is_full_is_a_sentence_and_still_shows_what_waits(client: redis.Redis, queue: CeleryQueue) -> None:
    queue.send(FIRST)
    client.config_set("maxmemory", "1")
    try:
        with pytest.raises(UnavailableError, match=r"^Redis can't be used.*maxmemory"):
            queue.send(SECOND)
        assert queue.waiting("encode") == {FIRST}
    finally:
        client.config_set("maxmemory", "0")


def test_a_queue_goes_on_when_redis_is_back_with_what_waited(server: RedisServer, queue: CeleryQueue) -> None:
    queue.send(FIRST)
    server.restart()
    queue.send(SECOND)
    assert queue.waiting("encode") == {FIRST, SECOND}


def test_a_queue_goes_on_when_redis_was_wiped(server: RedisServer, queue: CeleryQueue) -> None:
    queue.send(FIRST)
    server.flush()
    assert queue.waiting("encode") == set()
    queue.send(SECOND)
    assert queue.waiting("encode") == {SECOND}


def test_a_wrong_password_is_a_sentence_without_it(server: RedisServer, client: redis.Redis) -> None:
    wrong = server.url.replace("redis://", "redis://:wrong-and-hidden@")
    client.config_set("requirepass", "right")
    try:
        for call in CALLS:
            with pytest.raises(UnavailableError, match=r"^Redis can't be used for the queue encode") as caught:
                call(CeleryQueue(queue_app(wrong)))
            assert "hidden" not in str(caught.value)
    finally:
        client.config_set("requirepass", "")


def test_redis_holds_the_messages_and_two_fixed_sets_of_bindings(client: redis.Redis, queue: CeleryQueue) -> None:
    bindings = {b"_kombu.binding.celery", b"_kombu.binding_permanent.celery"}
    for number in range(100):
        queue.send(Message(task="encode", run_id="run-1", chunk=number))
    assert {b"encode"} <= set(client.scan_iter()) <= {b"encode"} | bindings
    assert all(client.scard(key) <= len(QUEUES) for key in bindings)


def test_what_is_being_worked_on_is_shown_for_a_minute(client: redis.Redis, queue: CeleryQueue) -> None:
    queue.show_taken("encode", {"a", "b"})
    assert client.smembers("saescope:taken:encode") == {b"a", b"b"}
    assert 0 < client.ttl("saescope:taken:encode") <= 60
    queue.show_taken("encode", {"b"})
    assert client.smembers("saescope:taken:encode") == {b"b"}
    queue.show_taken("encode", set())
    assert client.exists("saescope:taken:encode") == 0
