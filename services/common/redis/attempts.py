"""The interface Attempts in Redis: one hash for each run, with a counter for each piece of work and worker.

Redis may be wiped at any moment: then work gets more attempts than `chunk_attempts`, and nothing else goes wrong.
"""

import json
from functools import partial
from typing import cast

import redis

from services.common.dependency_interfaces import AttemptRecord
from services.common.redis.redis_client import redis_errors_as_unavailable

ATTEMPTS_PREFIX = "saescope:attempts:"
KEPT_S = 7 * 24 * 3600  # after a run's last attempt, so that abandoned runs don't fill Redis
# The hash's fields are "<what> <worker>", and for each piece of work these two in a worker's place.
_FAILURES, _LAST = "!failures", "!last"
_MOST_CHARS = 1000

TAKE_BACK = """
if redis.call('hincrby', KEYS[1], ARGV[1], -1) <= 0 then
    redis.call('hdel', KEYS[1], ARGV[1])
end
"""

_redis_usable = partial(redis_errors_as_unavailable, "Redis can't be used for counting attempts")


class RedisAttempts:
    """The interface Attempts (dependency_interfaces.py), for several threads; workers' names have no blanks.

    Every call raises UnavailableError if Redis refuses, or doesn't answer within the client's time-out.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._take_back = client.register_script(TAKE_BACK)

    def begin(self, run_id: str, what: str, worker: str) -> AttemptRecord:
        with _redis_usable():
            key = ATTEMPTS_PREFIX + run_id
            self._redis.hincrby(key, f"{what} {worker}", 1)
            self._redis.expire(key, KEPT_S)
            return self._tried(key, what)

    def failed(self, run_id: str, what: str, reason: str, at: float) -> None:
        with _redis_usable():
            self._redis.hincrby(ATTEMPTS_PREFIX + run_id, f"{what} {_FAILURES}", 1)
            said = json.dumps({"reason": reason[:_MOST_CHARS], "at": at})
            self._redis.hset(ATTEMPTS_PREFIX + run_id, f"{what} {_LAST}", said)

    def take_back(self, run_id: str, what: str, worker: str) -> None:
        with _redis_usable():
            self._take_back(keys=[ATTEMPTS_PREFIX + run_id], args=[f"{what} {worker}"])

    def tried(self, run_id: str, what: str) -> AttemptRecord:
        with _redis_usable():
            return self._tried(ATTEMPTS_PREFIX + run_id, what)

    def forget(self, run_id: str, what: str | None = None) -> None:
        key = ATTEMPTS_PREFIX + run_id
        with _redis_usable():
            if what is None:
                self._redis.delete(key)
                return
            fields = cast("list[str]", self._redis.hkeys(key))
            if of_it := [field for field in fields if field.startswith(f"{what} ")]:
                self._redis.hdel(key, *of_it)

    def _tried(self, key: str, what: str) -> AttemptRecord:
        fields = cast("dict[str, str]", self._redis.hgetall(key))
        of_it = {
            field.removeprefix(f"{what} "): value for field, value in fields.items() if field.startswith(f"{what} ")
        }
        failures, last = int(of_it.pop(_FAILURES, 0)), json.loads(of_it.pop(_LAST, "{}"))
        by_worker = {worker: int(count) for worker, count in of_it.items()}
        return AttemptRecord(by_worker, failures, last.get("reason"), last.get("at", 0.0))
