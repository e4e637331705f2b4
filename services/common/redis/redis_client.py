"""How the services connect to Redis: for a stated time, and without trying again.

This file knows nothing of what is kept there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


def redis_client(
    url: str, *, timeout_s: float, connect_timeout_s: float, decode_responses: bool = False
) -> redis.Redis:
    """A client of the Redis at `url`, for several threads; nothing is asked of the server yet.

    Its calls raise redis.RedisError if no connection is accepted for `connect_timeout_s`, or the server is silent for
    `timeout_s`. They are never repeated: one whose answer was lost may have been done, and only whoever calls knows
    whether it may be done twice. Answers are bytes, or strings if they are decoded.
    """
    return redis.Redis.from_url(
        url,
        decode_responses=decode_responses,
        socket_timeout=timeout_s,
        socket_connect_timeout=connect_timeout_s,
        retry=Retry(NoBackoff(), 0),
    )


def keys_beginning(client: redis.Redis, prefix: str) -> list[str] | list[bytes]:
    """The keys that begin with `prefix`; one that is made or removed meanwhile may be among them or not."""
    pattern = "".join(f"\\{character}" if character in "*?[]\\^" else character for character in prefix) + "*"
    return list(cast("Iterator[str]", client.scan_iter(match=pattern, count=1000)))
