"""Redis clients of the services: with time-outs, and without retries; and what it means when Redis can't be used."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.common.dependency_interfaces import UnavailableError


def redis_client(
    url: str, *, timeout_s: float, connect_timeout_s: float, decode_responses: bool = False
) -> redis.Redis:
    """A client of the Redis at `url`, for several threads; it doesn't connect yet.

    Its calls raise redis.RedisError if connecting takes longer than `connect_timeout_s`, or an answer longer than
    `timeout_s`. They are never retried: a command whose answer was lost may have had its effect, and only the caller
    knows whether it may be sent twice. Answers are bytes, or strings with `decode_responses`.
    """
    return redis.Redis.from_url(
        url,
        decode_responses=decode_responses,
        socket_timeout=timeout_s,
        socket_connect_timeout=connect_timeout_s,
        retry=Retry(NoBackoff(), 0),
    )


def keys_beginning(client: redis.Redis, prefix: str) -> list[str] | list[bytes]:
    """The keys that begin with `prefix`; one that is written or removed meanwhile may be among them or not."""
    pattern = "".join(f"\\{character}" if character in "*?[]\\^" else character for character in prefix) + "*"
    return list(cast("Iterator[str]", client.scan_iter(match=pattern, count=1000)))


@contextmanager
def redis_errors_as_unavailable(sentence: str) -> Iterator[None]:
    """Raise UnavailableError with a sentence where the block raises redis.RedisError."""
    try:
        yield
    except redis.RedisError as error:
        raise UnavailableError(f"{sentence}; is it up? ({error})") from error
