"""Real services whose messages come twice, backwards, from another release or not at all: the same bytes, always."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest
import redis

from services.common.redis.leases import RedisLeases
from services.common.run_workspace import Workspace
from services.common.tasks.celery_app import create_app, task_name
from services.common.tasks.celery_queue import CeleryQueue
from services.common.tasks.messages import Message
from services.common.work_names import encode_lease
from tests.support.proxy import S3Proxy
from tests.support.services import AGGREGATOR, ENCODER, INGEST, Cluster, expected_files, tiny_options

CHUNKS = 12


@pytest.fixture
def client(cluster: Cluster) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(cluster.redis.url) as client:
        yield client


def test_every_message_delivered_twice(cluster: Cluster, client: redis.Redis) -> None:
    cluster.run_only()
    services = [cluster.start_twice(module) for module in (INGEST, ENCODER, ENCODER, AGGREGATOR)]
    cluster.wait(lambda: all(service.said("ready") for service in services), "all are ready")
    client.config_resetstat()
    space = cluster.new_run(tiny_options())
    assert cluster.finish(space) == expected_files()
    sent = client.info("commandstats")["cmdstat_lpush"]["calls"]
    assert sent >= 1 + 2 * (CHUNKS + 2)  # to ingest; for each chunk, for its end, and at least one word to merge


def test_chunks_are_encoded_in_order_whatever_the_order_of_messages(cluster: Cluster, client: redis.Redis) -> None:
    cluster.run_only(INGEST, AGGREGATOR)
    space = cluster.new_run(tiny_options())
    cluster.wait(lambda: space.ingested() is not None, "all chunks wait")
    with client.pipeline(transaction=True) as pipe:
        waiting = cast("list[bytes]", client.lrange("encode", 0, -1))
        pipe.delete("encode")
        pipe.lpush("encode", *waiting)
        pipe.execute()
    _, _, encoder = cluster.run_only(INGEST, AGGREGATOR, ENCODER)
    assert cluster.finish(space) == expected_files()
    encoded = encoder.said("chunk_encoded", run=space.folder.run_id)
    assert [line["chunk"] for line in encoded] == list(range(CHUNKS))


def test_results_that_come_early_wait_for_the_first_chunks(cluster: Cluster) -> None:
    cluster.run_only(INGEST, AGGREGATOR)
    space = cluster.new_run(tiny_options())
    leases = RedisLeases.at(cluster.redis.url, 600.0)
    for chunk in (0, 1):
        assert leases.acquire(encode_lease(space.folder.run_id, chunk), "somebody slow")
    _, _, encoder = cluster.run_only(INGEST, AGGREGATOR, ENCODER)
    cluster.wait(lambda: len(space.partials()) == CHUNKS - 2, "all but the first two are encoded")
    leases.release(encode_lease(space.folder.run_id, 1), "somebody slow")
    cluster.wait(lambda: bool(encoder.said("chunk_encoded", chunk=1)), "the second is encoded")
    leases.release(encode_lease(space.folder.run_id, 0), "somebody slow")
    assert cluster.finish(space) == expected_files()


def test_a_message_of_an_unknown_version_is_logged_and_disturbs_nothing(cluster: Cluster) -> None:
    services = cluster.run_only(INGEST, AGGREGATOR, ENCODER)
    app = create_app(cluster.settings)
    for task in ("ingest", "aggregate", "encode"):
        future = {"version": 2, "task": task, "run_id": "run-1", "speed": "high"}
        app.send_task(task_name(task), args=(future,), queue=task, ignore_result=True, retry=False)
    space = cluster.new_run(tiny_options())
    assert cluster.finish(space) == expected_files()
    for service in services:
        (line,) = service.said("malformed_message")
        assert line["problem"] == (
            "a message of version 2 arrived, and this service knows version 1: run the same release of all services"
        )


def test_two_runs_at_once_both_finish_and_neither_mixes_with_the_other(cluster: Cluster) -> None:
    cluster.run_only(INGEST, AGGREGATOR, ENCODER)
    second = cluster.start(ENCODER)
    cluster.wait(lambda: bool(second.said("ready")), "the second encoder is ready")
    other = {"autoencoder": "relu.pt", "chunk_size": 15, "seed": 3, "bos": "include"}
    one, two = cluster.new_run(tiny_options()), cluster.new_run(tiny_options(**other))
    assert cluster.finish(one) == expected_files()
    assert cluster.finish(two) == expected_files(**other)
    second.kill()


@pytest.mark.parametrize("calamity", ["restarted", "wiped", "away for longer than a lease"])
def test_redis_in_trouble_in_mid_run(cluster: Cluster, proxy: S3Proxy, calamity: str) -> None:
    services = [*cluster.run_only(INGEST, AGGREGATOR), cluster.start_behind(proxy, ENCODER)]
    with proxy.hold("GET", "/chunks/000004", "after") as hold:
        space = cluster.new_run(tiny_options())
        hold.wait()
        if calamity == "wiped":
            cluster.redis.flush()
        else:
            cluster.redis.kill()
            if calamity != "restarted":
                hold.over.set()
                cluster.wait(
                    lambda: bool(services[-1].said("server_unavailable")), "the encoder can't say that it is done"
                )
            cluster.redis.start()
    assert cluster.finish(space) == expected_files()
    assert all(service.running for service in services)


def keys_of(space: Workspace) -> list[str]:
    return space.folder.store.list(space.folder.key(""))


def test_a_cancelled_run_rests_and_goes_on_where_it_was(cluster: Cluster, proxy: S3Proxy) -> None:
    cluster.run_only(INGEST, AGGREGATOR)
    cluster.start_behind(proxy, ENCODER)
    leases, queue = RedisLeases.at(cluster.redis.url, 1.0), CeleryQueue(create_app(cluster.settings))
    with proxy.hold("GET", "/chunks/000004", "after") as hold:
        space = cluster.new_run(tiny_options())
        hold.wait()
        space.stop("cancelled")
    cluster.wait(lambda: not leases.held("") and not queue.waiting("encode"), "nobody is at it")
    resting = keys_of(space)
    assert cluster.finish(cluster.new_run(tiny_options())) == expected_files()
    assert keys_of(space) == resting
    assert f"{space.folder.run_id}/chunks/000011" in resting
    space.go_on()
    assert cluster.finish(space) == expected_files()


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"source": "missing.csv"}, "missing.csv"),
        ({"autoencoder": "subject/config.json"}, "subject/config.json"),
    ],
)
def test_a_run_that_cannot_be_done_fails_with_a_sentence_and_others_go_on(
    cluster: Cluster, wrong: dict[str, str], problem: str
) -> None:
    cluster.run_only(INGEST, AGGREGATOR, ENCODER)
    bad, good = cluster.new_run(tiny_options(**wrong)), cluster.new_run(tiny_options())
    assert cluster.finish(good) == expected_files()
    cluster.wait(lambda: bad.stopped() is not None, "the bad one is stopped")
    stopped = bad.stopped()
    assert stopped is not None
    assert stopped.status == "failed"
    assert problem in str(stopped.error)


def test_a_message_about_a_run_that_is_not_there_is_dropped(cluster: Cluster) -> None:
    services = cluster.run_only(INGEST, AGGREGATOR, ENCODER)
    queue = CeleryQueue(create_app(cluster.settings))
    for message in (
        Message(task="ingest", run_id="never"),
        Message(task="encode", run_id="never", chunk=3),
        Message(task="aggregate", run_id="never"),
    ):
        queue.send(message)
    assert cluster.finish(cluster.new_run(tiny_options())) == expected_files()
    assert all(service.running and not service.said("task_failed") for service in services)
    assert "never" not in cluster.store.folders()
