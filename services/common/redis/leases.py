"""Leases in Redis: locks that expire unless their holder renews them.

A worker that is killed or cut off stops renewing, and its leases expire after `lease_s`. A lease makes double work rare
but not impossible, because a holder may be frozen and wake up late; so work done under a lease must be idempotent.
Redis may be wiped at any moment: then the next renewal says that the lease is lost.
"""

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Self, cast

import redis

from services.common.dependency_interfaces import UnavailableError
from services.common.process.background_threads import Background, Pause, Threads
from services.common.redis.redis_client import keys_beginning, redis_client, redis_errors_as_unavailable

LEASE_PREFIX = "saescope:lease:"
_RENEWALS_PER_LEASE = 4  # so that two may fail

RENEW = """
if redis.call('get', KEYS[1]) == ARGV[1] then
    return redis.call('pexpire', KEYS[1], ARGV[2])
end
return 0
"""
RELEASE = """
if redis.call('get', KEYS[1]) == ARGV[1] then
    return redis.call('del', KEYS[1])
end
return 0
"""

_redis_usable = partial(redis_errors_as_unavailable, "Redis can't be used for leases")


class Hold:
    """A lease while `RedisLeases.hold` renews it; `until` is a time of the clock `monotonic`."""

    def __init__(self, until: float, monotonic: Callable[[], float]) -> None:
        self._until = until  # when it expires, as of the last renewal that worked
        self._monotonic = monotonic
        self._lock = threading.Lock()

    @property
    def lost(self) -> bool:
        """Whether another worker may hold the lease by now; it stays true once it is. Stop the work then."""
        with self._lock:
            return self._monotonic() >= self._until

    def extend(self, until: float) -> None:
        """Record a renewal until the monotonic time `until`; it comes too late if the lease is lost already."""
        with self._lock:
            if self._monotonic() < self._until:
                self._until = until

    def lose(self) -> None:
        """Record that a renewal was refused."""
        with self._lock:
            self._until = 0.0


class RedisLeases:
    """The interface Leases (services/common/dependency_interfaces.py); leases last `lease_s` seconds.

    Every call raises UnavailableError if Redis refuses, or doesn't answer within the client's time-out. A command
    is never sent twice, because the first may have had its effect; a lease that was taken so expires by itself.
    """

    def __init__(self, client: redis.Redis, lease_s: float, background: Background | None = None) -> None:
        self._lease_s = lease_s
        self._background = background or Threads()
        self._redis = client
        self._renew = client.register_script(RENEW)
        self._release = client.register_script(RELEASE)

    @classmethod
    def at(cls, url: str, lease_s: float) -> Self:
        """Leases in the Redis at `url`, with a time-out of a quarter of `lease_s`."""
        timeout_s = lease_s / _RENEWALS_PER_LEASE
        return cls(redis_client(url, timeout_s=timeout_s, connect_timeout_s=timeout_s, decode_responses=True), lease_s)

    def close(self) -> None:
        """Close the connections; leases stay until they expire."""
        self._redis.close()

    def acquire(self, name: str, owner: str) -> bool:
        """Take a lease that nobody holds; returns whether that worked. Not reentrant: `owner` is of one `hold`."""
        with _redis_usable():
            return bool(self._redis.set(LEASE_PREFIX + name, owner, nx=True, px=self._lease_ms))

    def renew(self, name: str, owner: str) -> bool:
        """Extend a lease to `lease_s` from now on; False if it was lost meanwhile."""
        with _redis_usable():
            return bool(self._renew(keys=[LEASE_PREFIX + name], args=[owner, self._lease_ms]))

    def release(self, name: str, owner: str) -> None:
        """Release a lease, if `owner` still holds it."""
        with _redis_usable():
            self._release(keys=[LEASE_PREFIX + name], args=[owner])

    def held(self, prefix: str) -> set[str]:
        """A lease that is taken or released meanwhile may be in it or not."""
        with _redis_usable():
            keys = keys_beginning(self._redis, LEASE_PREFIX + prefix)
            return {key.removeprefix(LEASE_PREFIX) for key in cast("list[str]", keys)}

    @contextmanager
    def hold(self, name: str) -> Iterator[Hold | None]:
        """The lease is lost when Redis has another owner for it, or when it wasn't renewed for `lease_s`.

        That happens if Redis is away or this process was frozen. At the end of the block the lease is released; if
        Redis is away then, it expires.
        """
        owner, until = uuid.uuid4().hex, self._background.monotonic() + self._lease_s
        if not self.acquire(name, owner):
            yield None
            return
        hold = Hold(until, self._background.monotonic)
        try:
            with self._background.beside(f"lease {name}", lambda pause: self._keep(hold, pause, name, owner)):
                yield hold
        finally:
            with contextlib.suppress(UnavailableError):  # it expires, and the block's outcome matters more
                self.release(name, owner)

    def _keep(self, hold: Hold, pause: Pause, name: str, owner: str) -> None:
        """Renew until the block ends or the lease is lost."""
        while not pause(self._lease_s / _RENEWALS_PER_LEASE) and not hold.lost:
            until = self._background.monotonic() + self._lease_s
            with contextlib.suppress(UnavailableError):  # tried again until the time is up
                if self.renew(name, owner):
                    hold.extend(until)
                else:
                    hold.lose()

    @property
    def _lease_ms(self) -> int:
        return max(1, round(self._lease_s * 1000))
