"""The interface Notes in Redis: for each run the sentence on its page that says what it waits for.

A note expires unless it is repeated. No decision depends on notes, and they may get lost.
"""

import contextlib

import redis

from services.common.redis.redis_client import redis_client, redis_errors_as_unavailable

PROBLEM_PREFIX = "saescope:problem:"
KEPT_S = 30
_TIMEOUT_S = 2.0
_MOST_CHARS = 1000


class RunNotes:
    """The notes in the Redis at `redis_url`, for several threads."""

    def __init__(self, redis_url: str) -> None:
        self._redis = redis_client(redis_url, timeout_s=_TIMEOUT_S, connect_timeout_s=_TIMEOUT_S, decode_responses=True)

    def note(self, run_id: str, sentence: str) -> None:
        """It expires after KEPT_S. Does nothing if Redis is away: readers notice that themselves."""
        with contextlib.suppress(redis.RedisError):
            self._redis.set(PROBLEM_PREFIX + run_id, sentence[:_MOST_CHARS], ex=KEPT_S)

    def read(self, run_id: str) -> str | None:
        """The note about a run, if there is one; UnavailableError if Redis can't be used."""
        with redis_errors_as_unavailable(f"Redis can't be asked about run {run_id}"):
            found = self._redis.get(PROBLEM_PREFIX + run_id)
        return None if found is None else str(found)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()
