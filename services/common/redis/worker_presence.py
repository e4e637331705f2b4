"""The interface Workers in Redis: each worker process sends a heartbeat, a key that expires unless it is renewed."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import cast

import redis

from services.common.dependency_interfaces import Service, Unfit
from services.common.process.background_threads import Background, Pause, Threads
from services.common.redis.redis_client import keys_beginning, redis_errors_as_unavailable

WORKER_PREFIX = "saescope:worker:"
UNFIT_PREFIX = "saescope:unfit:"
ALIVE_S = 15.0  # without a heartbeat for so long, a worker counts as dead
UNFIT_S = 60.0
_HEARTBEATS_PER_LIFE = 4  # so that two may get lost

_redis_usable = partial(redis_errors_as_unavailable, "Redis can't be asked about workers")


class RedisWorkers:
    """The interface Workers (dependency_interfaces.py), for several threads; workers' names have no blanks.

    Every call raises UnavailableError if Redis refuses, or doesn't answer within the client's time-out.
    """

    def __init__(self, client: redis.Redis, background: Background | None = None) -> None:
        self._redis = client
        self._background = background or Threads()

    def alive(self, service: Service) -> set[str]:
        prefix = f"{WORKER_PREFIX}{service} "
        with _redis_usable():
            keys = cast("list[str]", keys_beginning(self._redis, prefix))
        return {key.removeprefix(prefix) for key in keys}

    def say_unfit(self, run_id: str, worker: str, unfit: Unfit) -> None:
        said = json.dumps({"why": unfit.why, "other_kind": unfit.other_kind})
        with _redis_usable():
            self._redis.set(f"{UNFIT_PREFIX}{run_id} {worker}", said, px=round(UNFIT_S * 1000))

    def unfit(self, run_id: str) -> Mapping[str, Unfit]:
        prefix = f"{UNFIT_PREFIX}{run_id} "
        with _redis_usable():
            keys = cast("list[str]", keys_beginning(self._redis, prefix))
            said = {key.removeprefix(prefix): self._redis.get(key) for key in keys}
        return {worker: Unfit(**json.loads(str(text))) for worker, text in said.items() if text is not None}

    @contextmanager
    def present(self, service: Service, worker: str) -> Iterator[None]:
        """Send heartbeats of a worker while the block runs."""
        key = f"{WORKER_PREFIX}{service} {worker}"

        def say(pause: Pause) -> None:
            while True:
                with contextlib.suppress(redis.RedisError):  # the next one comes soon
                    self._redis.set(key, "", px=round(ALIVE_S * 1000))
                if pause(ALIVE_S / _HEARTBEATS_PER_LIFE):
                    return

        with self._background.beside(f"{service} is alive", say):
            yield
        with contextlib.suppress(redis.RedisError):
            self._redis.delete(key)


def this_worker() -> str:
    """This process's name as a worker: host, process id and GPU, all of which it keeps when it comes back fresh."""
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "").replace(" ", "")
    return f"{socket.gethostname()}/{os.getpid()}" + (f"/gpu-{gpu}" if gpu else "")
