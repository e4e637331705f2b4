"""The port Workers in Redis: each worker process says every few seconds that it is alive.

What is said is forgotten when it isn't repeated. This file knows nothing of what workers do.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import cast

import redis

from services.common.interfaces import Service, UnavailableError, Unfit
from services.common.process.background_threads import Background, Pause, Threads
from services.common.redis.redis_client import keys_beginning

WORKER_PREFIX = "saescope:worker:"
UNFIT_PREFIX = "saescope:unfit:"
ALIVE_S = 15.0  # after the last word of it, a worker counts as dead
UNFIT_S = 60.0
_WORDS_PER_LIFE = 4  # so that two may get lost


class WorkersUnavailableError(UnavailableError):
    """Redis did not answer, or would not do what was asked."""


class RedisWorkers:
    """The port Workers (services/common/interfaces.py), for several threads; a worker's name has no blanks.

    Every call raises WorkersUnavailableError if Redis can't be used or is silent for the client's time-out.
    """

    def __init__(self, client: redis.Redis, background: Background | None = None) -> None:
        self._redis = client
        self._background = background or Threads()

    def alive(self, service: Service) -> set[str]:
        """See Workers.alive."""
        prefix = f"{WORKER_PREFIX}{service} "
        with _sentences():
            keys = cast("list[str]", keys_beginning(self._redis, prefix))
        return {key.removeprefix(prefix) for key in keys}

    def say_unfit(self, run_id: str, worker: str, unfit: Unfit) -> None:
        """See Workers.say_unfit."""
        said = json.dumps({"why": unfit.why, "other_kind": unfit.other_kind})
        with _sentences():
            self._redis.set(f"{UNFIT_PREFIX}{run_id} {worker}", said, px=round(UNFIT_S * 1000))

    def unfit(self, run_id: str) -> Mapping[str, Unfit]:
        """See Workers.unfit."""
        prefix = f"{UNFIT_PREFIX}{run_id} "
        with _sentences():
            keys = cast("list[str]", keys_beginning(self._redis, prefix))
            said = {key.removeprefix(prefix): self._redis.get(key) for key in keys}
        return {worker: Unfit(**json.loads(str(text))) for worker, text in said.items() if text is not None}

    @contextmanager
    def present(self, service: Service, worker: str) -> Iterator[None]:
        """Say while the block runs that a worker is alive."""
        key = f"{WORKER_PREFIX}{service} {worker}"

        def say(pause: Pause) -> None:
            while True:
                with contextlib.suppress(redis.RedisError):  # said again soon
                    self._redis.set(key, "", px=round(ALIVE_S * 1000))
                if pause(ALIVE_S / _WORDS_PER_LIFE):
                    return

        with self._background.beside(f"{service} is alive", say):
            yield
        with contextlib.suppress(redis.RedisError):
            self._redis.delete(key)


def this_worker() -> str:
    """The name of this process as a worker: the same when it comes back fresh, as it keeps its number then."""
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "").replace(" ", "")
    return f"{socket.gethostname()}/{os.getpid()}" + (f"/gpu-{gpu}" if gpu else "")


@contextmanager
def _sentences() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise WorkersUnavailableError(f"Redis can't be asked about workers; is it up? ({error})") from error
