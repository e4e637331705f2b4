"""Worker processes on a real Redis and a real S3 server: how they start, or say why they can't, and how they end."""

from __future__ import annotations

import signal
import socket
import uuid
from pathlib import Path

import pytest
import redis

from services.common.tasks.celery_queue import CeleryQueue
from tests.support.commands import free_port
from tests.support.proxy import s3_proxy
from tests.support.servers import RedisServer, S3Server
from tests.support.strict_s3 import only_objects_of, only_region
from tests.support.waiting import PATIENCE_S, wait_until
from tests.support.workers import Start, chunk, done, messages_in_redis

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
    waiting, (end,) = worker.said("waiting_for_servers"), worker.said("start_failed")
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
        worker.wait_for("waiting_for_servers")
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
    (end,) = worker.said("start_failed")
    assert "refuses this user; check user and password in SAESCOPE_REDIS_URL" in end["problem"]
    assert "hidden" not in worker.text()


@pytest.mark.parametrize("variable", ["SAESCOPE_S3_ACCESS_KEY", "SAESCOPE_S3_SECRET_KEY"])
def test_wrong_credentials_of_the_store_are_told_apart(start: Start, variable: str) -> None:
    worker = start(ready=False, SAESCOPE_START_TIMEOUT_S="0.1", **{variable: "wrong-hidden"})
    assert worker.process.wait(PATIENCE_S) == 2
    (end,) = worker.said("start_failed")
    assert "refused a request" in end["problem"]
    assert "check the access key and the secret key" in end["problem"]
    assert "hidden" not in worker.text()


def test_a_bucket_that_is_missing_is_made(start: Start, s3: S3Server) -> None:
    bucket = f"runs-{uuid.uuid4()}"
    start(SAESCOPE_S3_BUCKET=bucket)
    assert s3.client().bucket_exists(bucket)


def test_a_bucket_of_others_does_with_its_region_a_prefix_and_credentials_from_a_file(
    start: Start, s3: S3Server, tmp_path: Path
) -> None:
    s3.client().make_bucket("of-others")
    file = tmp_path / "credentials"
    file.write_text(f"[default]\naws_access_key_id={s3.access_key}\naws_secret_access_key={s3.secret_key}\n")
    with s3_proxy(s3.endpoint) as proxy:
        region, objects = only_region("eu-central-1"), only_objects_of("of-others", "team/")
        proxy.rule = lambda *request: region(*request) or objects(*request)
        start(
            AWS_SHARED_CREDENTIALS_FILE=str(file),
            SAESCOPE_S3_ENDPOINT=f"http://{proxy.endpoint}",
            SAESCOPE_S3_REGION="eu-central-1",
            SAESCOPE_S3_BUCKET="of-others",
            SAESCOPE_S3_PREFIX="team",
            SAESCOPE_S3_ACCESS_KEY="",
            SAESCOPE_S3_SECRET_KEY="",
        )


def test_a_store_without_credentials_is_named_with_where_they_may_be(start: Start, tmp_path: Path) -> None:
    missing = {"SAESCOPE_S3_ACCESS_KEY": "", "SAESCOPE_S3_SECRET_KEY": "", "SAESCOPE_START_TIMEOUT_S": "0.1"}
    no_role = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/", "HOME": str(tmp_path)}
    worker = start(ready=False, **missing, **no_role)
    assert worker.process.wait(PATIENCE_S) == 2
    (end,) = worker.said("start_failed")
    assert "there are no credentials for the S3 server: none in the environment" in end["problem"]


def test_a_port_for_metrics_that_is_taken_is_a_sentence(start: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        worker = start(ready=False, SAESCOPE_METRICS_PORT=str(port))
        assert worker.process.wait(PATIENCE_S) == 2
    (end,) = worker.said("start_failed")
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
    assert messages_in_redis(client) <= {b"encode"}
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
        worker.wait_for("redis_disconnected")
        assert worker.end() == 0
    finally:
        server.start()


def test_a_worker_that_waits_for_servers_at_the_start_ends_too(start: Start) -> None:
    worker = start(ready=False, SAESCOPE_REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    worker.wait_for("waiting_for_servers")
    assert worker.end() == 128 + signal.SIGTERM


def test_work_beside_that_fails_ends_the_process(start: Start) -> None:
    worker = start(ready=False, BESIDE="broken")
    assert worker.process.wait(PATIENCE_S) == 1
    (line,) = worker.said("background_work_failed")
    assert "ZeroDivisionError: a mistake beside" in line["traceback"]
