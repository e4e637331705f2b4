"""Worker processes on a real Redis and a real S3 server: tasks are done, and no failure of anything ends the work."""

from __future__ import annotations

import base64
import json
import re
import signal
import socket
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

from services.common.logs import Event
from services.common.real_dependencies import real_dependencies, wait_for_servers
from services.common.settings import read_settings
from services.common.tasks.celery_app import task_name
from services.common.tasks.celery_queue import CeleryQueue
from services.common.tasks.messages import Message
from tests.support.commands import free_port
from tests.support.servers import RedisServer, S3Server, environment_of
from tests.support.waiting import PATIENCE_S, wait_until
from tests.support.workers import Start, WorkerProcess, chunk, done, messages_in_redis, noted, worker_process

MESSAGES = 1_000


# Messages


def test_every_message_is_done_once_and_nothing_of_it_stays_in_redis(
    start: Start, queue: CeleryQueue, client: redis.Redis, tmp_path: Path
) -> None:
    for number in range(MESSAGES):
        queue.send(chunk("run-1", number))
    queue.send(Message(task="ingest", run_id="run-1"))
    start("encode", "ingest")
    start("encode")
    # Between its taking and its with_run_notes as taken a message is in neither key; so the work is waited for as well.
    wait_until(lambda: len(done(tmp_path)) > MESSAGES and not messages_in_redis(client))
    assert sorted(done(tmp_path)) == sorted([*(f"run-1 {number}" for number in range(MESSAGES)), "run-1 None"])


def test_a_worker_leaves_other_queues_alone(start: Start, queue: CeleryQueue, tmp_path: Path) -> None:
    queue.send(Message(task="ingest", run_id="run-1"))
    queue.send(chunk("run-1"))
    start("encode")
    wait_until(lambda: done(tmp_path) == ["run-1 0"])
    assert queue.waiting("ingest") == {Message(task="ingest", run_id="run-1")}


def test_a_busy_worker_takes_no_message_that_others_could_do(start: Start, queue: CeleryQueue, tmp_path: Path) -> None:
    start()
    queue.send(chunk("slow"))
    wait_until((tmp_path / "begun").exists)
    queue.send(chunk("run-1"))
    start()
    wait_until(lambda: done(tmp_path) == ["run-1 0"])


def test_a_worker_does_as_many_tasks_at_once_as_it_is_told_and_takes_no_more(
    start: Start, queue: CeleryQueue, tmp_path: Path
) -> None:
    for number in range(3):
        queue.send(chunk("slow", number))
    start(AT_ONCE="2")
    wait_until(lambda: queue.depth("encode") == 1)
    wait_until(lambda: set(noted(tmp_path, "begun")) == {"slow 0", "slow 1"})
    assert queue.waiting("encode") == {chunk("slow", 2)}
    (tmp_path / "go").touch()
    wait_until(lambda: set(done(tmp_path)) == {"slow 0", "slow 1", "slow 2"})


@pytest.mark.parametrize(
    ("run_id", "event", "level", "problem"),
    [
        ("unavailable", "server_unavailable", "warning", "the store is away"),
        ("broken", "task_failed", "error", "ZeroDivisionError: a mistake"),
    ],
)
def test_a_task_that_fails_is_logged_and_acknowledged(
    start: Start,
    queue: CeleryQueue,
    client: redis.Redis,
    tmp_path: Path,
    run_id: str,
    event: Event,
    level: str,
    problem: str,
) -> None:
    worker = start()
    queue.send(chunk(run_id, 7))
    queue.send(chunk("run-1"))
    wait_until(lambda: done(tmp_path) == ["run-1 0"])
    (line,) = worker.said(event)
    expected = {"level": level, "task": "encode", "run": run_id, "chunk": 7, "problem": problem}
    assert {name: line[name] for name in expected} == expected
    assert ("ZeroDivisionError: a mistake" in line.get("traceback", "")) == (event == "task_failed")
    wait_until(lambda: not messages_in_redis(client))


Send = Callable[[Celery, redis.Redis], Any]


def sent(*args: object, name: str = "aggregate", **kwargs: object) -> Send:
    """Sends something to the queue `aggregate` in Celery's form."""
    return lambda app, client: app.send_task(task_name(name), args, kwargs, queue="aggregate")


def entry(content: bytes) -> Send:
    """Puts bytes in the queue `aggregate`."""
    return lambda app, client: client.lpush("aggregate", content)


def celery_envelope(body: bytes, content_type: str, **headers: object) -> bytes:
    delivery = {"body_encoding": "base64", "delivery_tag": "1", "delivery_info": {"exchange": "", "routing_key": ""}}
    all_headers = {"task": task_name("aggregate"), "id": "1"} | headers
    given = {name: value for name, value in all_headers.items() if value is not None}
    content = {"body": base64.b64encode(body).decode(), "content-type": content_type, "content-encoding": "utf-8"}
    return json.dumps(content | {"headers": given, "properties": delivery}).encode()


GOOD = Message(task="aggregate", run_id="run-1").model_dump()
NONSENSE: dict[str, tuple[Send, str]] = {
    "another version": (sent(GOOD | {"version": 2}), "a message of version 2 arrived, .*run the same release"),
    "no version": (sent({}), "a message of version None arrived"),
    "a wrong field": (sent(GOOD | {"chunk": 1}), "a message can't be understood .message: .*no other"),
    "another task's": (sent({"version": 1, "task": "ingest", "run_id": "run-1"}), "of the task ingest arrived as"),
    "text": (sent("text"), "what arrived is no message but 'text'"),
    "no argument": (sent(), "what arrived is no message but "),
    "two arguments": (sent(GOOD, GOOD), "what arrived is no message but "),
    "a named argument": (sent(version=1), "what arrived is no message but "),
    "an unknown task": (sent(GOOD, name="explain"), "the task 'saescope.explain' .*run the same release"),
    "not JSON": (entry(b"not JSON"), "an entry of a queue is no message: JSONDecodeError"),
    "a number": (entry(b"5"), "an entry of a queue is no message: TypeError"),
    "no envelope": (entry(b"{}"), "an entry of a queue is no message: KeyError"),
    "no text": (entry(b"\xff\xfe"), "an entry of a queue is no message: "),
    "a pickle": (entry(celery_envelope(b"cos\nsystem\n.", "application/x-python-serialize")), "can't be understood"),
    "a body that is no JSON": (entry(celery_envelope(b"{", "application/json")), "can't be understood: DecodeError"),
    "a body that is no call": (entry(celery_envelope(b"5", "application/json")), "can't be understood: TypeError"),
    "no id": (entry(celery_envelope(b"[[], {}, {}]", "application/json", task="else", id=None)), "can't be understood"),
}


@pytest.fixture(scope="module")
def steady(
    running_redis: RedisServer, s3: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[WorkerProcess, Path, int]]:
    """One worker for all nonsense, on a queue that other tests leave alone; its folder, and its metrics' port."""
    folder, port = tmp_path_factory.mktemp("steady"), free_port()
    environment = environment_of(running_redis, s3, SAESCOPE_METRICS_PORT=str(port))
    with worker_process(folder, ["aggregate"], environment) as worker:
        worker.wait_for("ready")
        yield worker, folder, port


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_is_logged_counted_and_dropped(
    steady: tuple[WorkerProcess, Path, int], app: Celery, queue: CeleryQueue, client: redis.Redis, kind: str
) -> None:
    worker, folder, port = steady
    send, problem = NONSENSE[kind]
    before = len(worker.said("malformed_message"))
    send(app, client)
    run_id = uuid.uuid4().hex
    queue.send(Message(task="aggregate", run_id=run_id))
    wait_until(lambda: f"{run_id} None" in done(folder))
    (line,) = worker.said("malformed_message")[before:]
    assert line["level"] == "error"
    assert re.search(problem, line["problem"])
    assert f"saescope_bad_messages_total {before + 1}.0" in metrics_at(port)
    wait_until(lambda: not messages_in_redis(client))


def test_celery_s_tools_find_a_worker_and_what_it_works_on(
    start: Start, app: Celery, queue: CeleryQueue, tmp_path: Path
) -> None:
    worker = start()
    name = f"encoder@{socket.gethostname()}/{worker.process.pid}"
    queue.send(chunk("slow", 3))
    wait_until((tmp_path / "begun").exists)
    inspect = app.control.inspect([name], timeout=PATIENCE_S, limit=1)
    assert inspect.ping() == {name: {"ok": "pong"}}
    ((task,),) = inspect.active().values()
    assert (task["name"], task["args"]) == (task_name("encode"), [chunk("slow", 3).model_dump()])


# Losses


def test_a_killed_worker_leaves_the_others_working(start: Start, queue: CeleryQueue, tmp_path: Path) -> None:
    killed = start()
    queue.send(chunk("slow"))
    wait_until((tmp_path / "begun").exists)
    other = start()
    assert killed.end(signal.SIGKILL) == -signal.SIGKILL
    for number in range(20):
        queue.send(chunk("run-1", number))
    wait_until(lambda: len(done(tmp_path)) == 20)
    assert other.process.poll() is None


def test_work_goes_on_when_redis_was_restarted_or_wiped(
    start: Start, server: RedisServer, queue: CeleryQueue, tmp_path: Path
) -> None:
    worker = start()
    for number, calamity in enumerate((server.restart, server.flush, server.restart)):
        calamity()
        queue.send(chunk("run-1", number))
        wait_until(lambda number=number: len(done(tmp_path)) > number)  # type: ignore[misc]
    assert done(tmp_path) == ["run-1 0", "run-1 1", "run-1 2"]
    assert worker.process.poll() is None


def test_an_outage_of_redis_is_logged_once_with_its_end(
    start: Start, server: RedisServer, queue: CeleryQueue, tmp_path: Path
) -> None:
    worker = start()
    server.kill()
    try:
        worker.wait_for("redis_disconnected")
    finally:
        server.start()
    assert worker.wait_for("redis_reconnected")["attempts"] > 1
    queue.send(chunk("run-1"))
    wait_until(lambda: done(tmp_path) == ["run-1 0"])
    assert len(worker.said("redis_disconnected")) == 1


@pytest.mark.parametrize("calamity", ["restart", "flush"])
def test_a_task_outlives_redis_and_is_not_done_twice_for_that(
    start: Start, server: RedisServer, queue: CeleryQueue, client: redis.Redis, tmp_path: Path, calamity: str
) -> None:
    start()
    queue.send(chunk("slow"))
    wait_until((tmp_path / "begun").exists)
    getattr(server, calamity)()
    queue.send(chunk("run-1"))
    assert queue.waiting("encode") == {chunk("run-1")}
    (tmp_path / "go").touch()
    wait_until(lambda: len(done(tmp_path)) == 2)
    wait_until(lambda: not messages_in_redis(client))
    assert done(tmp_path) == ["slow 0", "run-1 0"]


def test_a_task_that_ends_while_redis_is_away_leaves_its_worker_able_to_go_on(
    start: Start, server: RedisServer, queue: CeleryQueue, tmp_path: Path
) -> None:
    start()
    queue.send(chunk("slow"))
    wait_until((tmp_path / "begun").exists)
    server.kill()
    try:
        (tmp_path / "go").touch()
        wait_until(lambda: done(tmp_path) == ["slow 0"])
    finally:
        server.start()
    queue.send(chunk("run-1"))
    wait_until(lambda: "run-1 0" in done(tmp_path))


# Logs, and what else shares the servers


def test_every_line_of_the_log_is_json_and_says_who_when_and_what(
    start: Start, server: RedisServer, s3: S3Server, queue: CeleryQueue
) -> None:
    worker = start()
    queue.send(chunk("broken"))
    worker.wait_for("task_failed")
    server.kill()  # Celery has something to say
    try:
        worker.wait_for("redis_disconnected")
    finally:
        server.start()
    worker.wait_for("redis_reconnected")
    worker.end()
    for line in worker.lines():
        assert list(line)[:6] == ["time", "level", "service", "host", "pid", "event"]
        assert (line["service"], line["host"], line["pid"]) == ("encoder", socket.gethostname(), worker.process.pid)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["time"])
    assert {"celery.worker.consumer.consumer"} <= {line.get("logger") for line in worker.lines()}
    assert s3.secret_key not in worker.text()


def test_the_real_world_is_made_of_what_the_settings_name(server: RedisServer, s3: S3Server) -> None:
    settings = read_settings(environment_of(server, s3, SAESCOPE_CHUNK_ATTEMPTS="7", SAESCOPE_LEASE_S="30"))
    world = real_dependencies(settings)
    wait_for_servers(settings)
    world.queue.send(chunk("run-1"))
    world.store.put("run-1/a", b"content")
    assert world.queue.waiting("encode") == {chunk("run-1")}
    assert world.store.get("run-1/a") == b"content"
    with world.leases.hold("run-1"):
        assert world.leases.held("run-1") == {"run-1"}
    assert world.settings.chunk_attempts == 7
    assert abs(world.clock.now() - time.time()) < 60


def metrics_at(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as answer:
        return str(answer.read().decode())
