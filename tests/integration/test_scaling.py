"""What KEDA sees of the queue of chunks in Redis: encoders are wanted while one waits or is being encoded."""

from __future__ import annotations

from pathlib import Path

import redis
import yaml

from tests.support.proxy import S3Proxy
from tests.support.services import AGGREGATOR, ENCODER, INGEST, Cluster, tiny_options

MANIFEST = Path(__file__).parents[2] / "infra" / "kubernetes" / "keda" / "encoder-scaling.yaml"
# As KEDA's redis scaler counts: a list's, a set's and a sorted set's members, and a hash's fields.
COUNT = {b"list": "llen", b"set": "scard", b"zset": "zcard", b"hash": "hlen", b"none": "llen"}


def lengths(cluster: Cluster) -> list[int]:
    """What each trigger of the manifest would be told."""
    scaled = next(entry for entry in yaml.safe_load_all(MANIFEST.read_text()) if entry["kind"] == "ScaledObject")
    names = [trigger["metadata"]["listName"] for trigger in scaled["spec"]["triggers"]]
    with redis.Redis.from_url(cluster.redis.url) as client:
        return [int(getattr(client, COUNT[client.type(name)])(name)) for name in names]


def test_encoders_are_wanted_until_all_that_is_theirs_is_done_and_not_after(cluster: Cluster, proxy: S3Proxy) -> None:
    cluster.run_only(INGEST, AGGREGATOR)
    space = cluster.new_run(tiny_options(max_rows=40))  # two chunks
    cluster.wait(lambda: lengths(cluster) == [3, 0], "both chunks wait, and what follows from the weights")
    with proxy.hold("PUT", "/partials/000001", "before", patient=True) as hold:
        cluster.start_behind(proxy, ENCODER)
        hold.wait()
        cluster.wait(lambda: lengths(cluster) == [1, 1], "a chunk is being encoded, and the rest waits")
    cluster.finish(space)
    cluster.wait(lambda: lengths(cluster) == [0, 0], "there is nothing to do")


def test_what_waits_for_others_keeps_no_encoder(cluster: Cluster) -> None:
    cluster.run_only()
    cluster.redis.flush()
    with redis.Redis.from_url(cluster.redis.url) as client:
        for queue in ("ingest", "aggregate", "probe"):
            client.rpush(queue, "a message")
        assert lengths(cluster) == [0, 0]
    cluster.redis.flush()
