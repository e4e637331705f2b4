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
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

from services.common.celery_app import create_app, task_name
from services.common.messages import Message
from services.common.queue import CeleryQueue
from services.common.settings import Settings, read_settings
from services.common.world import real_world, wait_for_servers
from tests.support.servers import RedisServer, S3Server, redis_server, s3_server
from tests.support.workers import PATIENCE_S, WorkerProcess, done, noted, wait_until, worker_process

MESSAGES = 1_000
LEFT_IN_REDIS = {b"_kombu.binding.celery", b"_kombu.binding_permanent.celery"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def server(running: RedisServer) -> RedisServer:
    running.flush()
    return running


@pytest.fixture
def client(server: RedisServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url) as client:
        yield client


def environment_of(server: RedisServer, s3: S3Server, **other: str) -> dict[str, str]:
    settings = {
        "REDIS_URL": server.url,
        "S3_ENDPOINT": f"http://{s3.endpoint}",
        "S3_ACCESS_KEY": s3.access_key,
        "S3_SECRET_KEY": s3.secret_key,
    }
    return {f"SAESCOPE_{name}": value for name, value in (settings | other).items()}


@pytest.fixture
def app(server: RedisServer) -> Celery:
    return create_app(Settings(redis_url=server.url, s3_access_key="user", s3_secret_key="password"))


@pytest.fixture
def queue(app: Celery) -> CeleryQueue:
    return CeleryQueue(app)


Start = Callable[..., WorkerProcess]


@pytest.fixture
def start(tmp_path: Path, server: RedisServer, s3: S3Server) -> Iterator[Start]:
    """Starts workers on `encode` in `tmp_path`; they are gone after the test."""
    with ExitStack() as stack:

        def start(*queues: str, ready: bool = True, **other: str) -> WorkerProcess:
            environment = environment_of(server, s3) | other
            worker = stack.enter_context(worker_process(tmp_path, queues or ("encode",), environment))
            if ready:
                worker.wait_for("ready")
            return worker

        yield start


def chunk(run_id: str, number: int = 0) -> Message:
    return Message(task="encode", run_id=run_id, chunk=number)


# Messages


def test_every_message_is_done_once_and_nothing_of_it_stays_in_redis(
    start: Start, queue: CeleryQueue, client: redis.Redis, tmp_path: Path
) -> None:
    for number in range(MESSAGES):
        queue.send(chunk("run-1", number))
    queue.send(Message(task="ingest", run_id="run-1"))
    start("encode", "ingest")
    start("encode")
    # Between its taking and its noting as taken a message is in neither key; so the work is waited for as well.
    wait_until(lambda: len(done(tmp_path)) > MESSAGES and set(client.scan_iter()) <= LEFT_IN_REDIS)
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
        ("unavailable", "unavailable", "warning", "the store is away"),
        ("broken", "task failed", "error", "a mistake"),
    ],
)
def test_a_task_that_fails_is_logged_and_acknowledged(
    start: Start,
    queue: CeleryQueue,
    client: redis.Redis,
    tmp_path: Path,
    run_id: str,
    event: str,
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
    assert ("ZeroDivisionError: a mistake" in line.get("traceback", "")) == (event == "task failed")
    wait_until(lambda: set(client.scan_iter()) <= LEFT_IN_REDIS)


Send = Callable[[Celery, redis.Redis], Any]


def sent(*args: object, name: str = "aggregate", **kwargs: object) -> Send:
    """Sends something to the queue `aggregate` in Celery's form."""
    return lambda app, client: app.send_task(task_name(name), args, kwargs, queue="aggregate")


def entry(content: bytes) -> Send:
    """Puts bytes in the queue `aggregate`."""
    return lambda app, client: client.lpush("aggregate", content)


def celery_envelope(body: bytes, content_type: str) -> bytes:
    delivery = {"body_encoding": "base64", "delivery_tag": "1", "delivery_info": {"exchange": "", "routing_key": ""}}
    headers = {"task": task_name("aggregate"), "id": "1"}
    content = {"body": base64.b64encode(body).decode(), "content-type": content_type, "content-encoding": "utf-8"}
    return json.dumps(content | {"headers": headers, "properties": delivery}).encode()


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
    "no base64": (entry(celery_envelope(b"{", "application/json")), "can't be decoded"),
}


@pytest.fixture(scope="module")
def steady(
    running: RedisServer, s3: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[WorkerProcess, Path, int]]:
    """One worker for all nonsense, on a queue that other tests leave alone; its folder, and its metrics' port."""
    folder, port = tmp_path_factory.mktemp("steady"), free_port()
    environment = environment_of(running, s3, METRICS_PORT=str(port))
    with worker_process(folder, ["aggregate"], environment) as worker:
        worker.wait_for("ready")
        yield worker, folder, port


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_is_logged_counted_and_dropped(
    steady: tuple[WorkerProcess, Path, int], app: Celery, queue: CeleryQueue, client: redis.Redis, kind: str
) -> None:
    worker, folder, port = steady
    send, problem = NONSENSE[kind]
    before = len(worker.said("bad message"))
    send(app, client)
    run_id = uuid.uuid4().hex
    queue.send(Message(task="aggregate", run_id=run_id))
    wait_until(lambda: f"{run_id} None" in done(folder))
    (line,) = worker.said("bad message")[before:]
    assert line["level"] == "error"
    assert re.search(problem, line["problem"])
    assert f"saescope_bad_messages_total {before + 1}.0" in metrics_at(port)
    wait_until(lambda: set(client.scan_iter()) <= LEFT_IN_REDIS)


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
        worker.wait_for("redis lost")
    finally:
        server.start()
    assert worker.wait_for("redis back")["attempts"] > 1
    queue.send(chunk("run-1"))
    wait_until(lambda: done(tmp_path) == ["run-1 0"])
    assert len(worker.said("redis lost")) == 1


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
    wait_until(lambda: set(client.scan_iter()) <= LEFT_IN_REDIS)
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


# Start


@pytest.mark.parametrize("missing", [["REDIS_URL"], ["S3_ENDPOINT"], ["REDIS_URL", "S3_ENDPOINT"]])
def test_servers_that_are_not_there_are_waited_for_then_given_up_with_a_sentence(
    start: Start, missing: list[str]
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    urls = {"REDIS_URL": f"redis://:hidden@{nowhere}/0", "S3_ENDPOINT": f"http://{nowhere}"}
    whats = {"REDIS_URL": "Redis", "S3_ENDPOINT": "the bucket saescope"}
    others = {f"SAESCOPE_{name}": urls[name] for name in missing}
    worker = start(ready=False, SAESCOPE_START_TIMEOUT_S="1", **others)
    assert worker.process.wait(PATIENCE_S) == 2
    waiting, (end,) = worker.said("waiting"), worker.said("can't start")
    assert end["problem"].startswith("gave up after 1 s (SAESCOPE_START_TIMEOUT_S): ")
    for name, line in zip(missing, waiting, strict=True):
        assert (line["level"], line["at_most_s"] <= 1) == ("warning", True)
        assert line["problem"].startswith(f"{whats[name]} at {nowhere} can't be used; is ")
        assert "refused" in line["problem"]
        assert line["problem"] in end["problem"]
    assert "hidden" not in worker.text()


def test_a_server_that_comes_up_in_time_is_enough(
    start: Start, server: RedisServer, queue: CeleryQueue, tmp_path: Path
) -> None:
    server.kill()
    try:
        worker = start(ready=False)
        worker.wait_for("waiting")
    finally:
        server.start()
    worker.wait_for("ready")
    queue.send(chunk("run-1"))
    wait_until(lambda: done(tmp_path) == ["run-1 0"])


@pytest.mark.parametrize("password", ["", ":wrong-hidden@"])
def test_a_wrong_password_of_redis_is_told_apart(
    start: Start, server: RedisServer, client: redis.Redis, password: str
) -> None:
    url = server.url.replace("redis://", f"redis://{password}")
    client.config_set("requirepass", "right-hidden")
    try:
        worker = start(ready=False, SAESCOPE_START_TIMEOUT_S="0.1", SAESCOPE_REDIS_URL=url)
        assert worker.process.wait(PATIENCE_S) == 2
    finally:
        client.config_set("requirepass", "")
    (end,) = worker.said("can't start")
    assert "refuses this user; check user and password in SAESCOPE_REDIS_URL" in end["problem"]
    assert "hidden" not in worker.text()


@pytest.mark.parametrize("variable", ["SAESCOPE_S3_ACCESS_KEY", "SAESCOPE_S3_SECRET_KEY"])
def test_wrong_credentials_of_the_store_are_told_apart(start: Start, variable: str) -> None:
    worker = start(ready=False, SAESCOPE_START_TIMEOUT_S="0.1", **{variable: "wrong-hidden"})
    assert worker.process.wait(PATIENCE_S) == 2
    (end,) = worker.said("can't start")
    assert "refused a request" in end["problem"]
    assert "check the access key and the secret key" in end["problem"]
    assert "hidden" not in worker.text()


def test_a_bucket_that_is_missing_is_made(start: Start, s3: S3Server) -> None:
    bucket = f"runs-{uuid.uuid4()}"
    start(SAESCOPE_S3_BUCKET=bucket)
    assert s3.client().bucket_exists(bucket)


def test_a_port_for_metrics_that_is_taken_is_a_sentence(start: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        worker = start(ready=False, SAESCOPE_METRICS_PORT=str(port))
        assert worker.process.wait(PATIENCE_S) == 2
    (end,) = worker.said("can't start")
    assert end["problem"].startswith(f"can't serve metrics on port {port} (Address already in use): set SAESCOPE_")


# End


def test_sigterm_lets_the_running_task_finish_and_tells_it(
    start: Start, queue: CeleryQueue, client: redis.Redis, tmp_path: Path
) -> None:
    worker = start()
    queue.send(chunk("slow"))
    queue.send(chunk("run-1"))
    wait_until((tmp_path / "begun").exists)
    worker.process.send_signal(signal.SIGTERM)
    wait_until((tmp_path / "stopping").exists)
    (tmp_path / "go").touch()
    assert worker.process.wait(PATIENCE_S) == 0
    assert done(tmp_path) == ["slow 0"]
    assert queue.waiting("encode") == {chunk("run-1")}
    assert set(client.scan_iter()) <= LEFT_IN_REDIS | {b"encode"}
    assert worker.said("stopped")[0]["status"] == 0


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(
    start: Start, queue: CeleryQueue, tmp_path: Path, second: signal.Signals
) -> None:
    worker = start()
    queue.send(chunk("slow"))
    wait_until((tmp_path / "begun").exists)
    worker.process.send_signal(signal.SIGTERM)
    wait_until((tmp_path / "stopping").exists)
    assert worker.end(second) == 128 + second
    assert done(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_worker_ends_with_status_0(start: Start, number: signal.Signals) -> None:
    assert start().end(number) == 0


def test_a_worker_that_waits_for_redis_ends_too(start: Start, server: RedisServer) -> None:
    worker = start()
    server.kill()
    try:
        worker.wait_for("redis lost")
        assert worker.end() == 0
    finally:
        server.start()


def test_a_worker_that_waits_for_servers_at_the_start_ends_too(start: Start) -> None:
    worker = start(ready=False, SAESCOPE_REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    worker.wait_for("waiting")
    assert worker.end() == 128 + signal.SIGTERM


def test_work_beside_that_fails_ends_the_process(start: Start) -> None:
    worker = start(ready=False, BESIDE="broken")
    assert worker.process.wait(PATIENCE_S) == 1
    (line,) = worker.said("process failed")
    assert "ZeroDivisionError: a mistake beside" in line["traceback"]


# Logs, and what else shares the servers


def test_every_line_of_the_log_is_json_and_says_who_when_and_what(
    start: Start, server: RedisServer, s3: S3Server, queue: CeleryQueue
) -> None:
    worker = start()
    queue.send(chunk("broken"))
    worker.wait_for("task failed")
    server.restart()  # Celery has something to say
    worker.wait_for("redis back")
    worker.end()
    for line in worker.lines():
        assert list(line)[:6] == ["time", "level", "service", "host", "pid", "event"]
        assert (line["service"], line["host"], line["pid"]) == ("tester", socket.gethostname(), worker.process.pid)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["time"])
    assert {"celery.worker.consumer.consumer"} <= {line.get("logger") for line in worker.lines()}
    assert s3.secret_key not in worker.text()


def test_the_real_world_is_made_of_what_the_settings_name(server: RedisServer, s3: S3Server) -> None:
    settings = read_settings(environment_of(server, s3, CHUNK_ATTEMPTS="7", LEASE_S="30"))
    world = real_world(settings)
    wait_for_servers(settings)
    world.queue.send(chunk("run-1"))
    world.store.put("run-1/a", b"content")
    assert world.queue.waiting("encode") == {chunk("run-1")}
    assert world.store.get("run-1/a") == b"content"
    with world.leases.hold("run-1"):
        assert world.leases.held("run-1") == {"run-1"}
    assert world.limits.chunk_attempts == 7
    assert abs(world.clock.now() - time.time()) < 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def metrics_at(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as answer:
        return str(answer.read().decode())
