"""The real Dependencies, made from the settings, and waiting at the start until Redis and the store answer."""

import logging
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import redis

from services.common.dependency_interfaces import Dependencies, UnavailableError
from services.common.logs import log
from services.common.object_store import ObjectStore
from services.common.process.hang_deadlines import DEADLINES
from services.common.redis.attempts import RedisAttempts
from services.common.redis.leases import RedisLeases
from services.common.redis.questions import RedisQuestions
from services.common.redis.redis_client import redis_client
from services.common.redis.why_runs_wait import RunNotes
from services.common.redis.worker_presence import RedisWorkers
from services.common.settings import Settings
from services.common.tasks.celery_app import CONNECT_TIMEOUT_S, SOCKET_TIMEOUT_S, create_app
from services.common.tasks.celery_queue import CeleryQueue
from sparse_autoencoder.errors import SaescopeError

_POLL_S = 0.5


class SystemClock:
    """The interface Clock on the machine's time."""

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def real_dependencies(settings: Settings) -> Dependencies:
    """The dependencies that the settings name; nothing connects yet."""
    return Dependencies(
        store=ObjectStore.from_settings(settings),
        queue=CeleryQueue(create_app(settings)),
        leases=RedisLeases.at(settings.redis_url, settings.lease_s),
        attempts=RedisAttempts(_redis(settings)),
        workers=workers_in_redis(settings),
        notes=RunNotes(settings.redis_url),
        deadlines=DEADLINES,
        clock=SystemClock(),
        settings=settings,
    )


def workers_in_redis(settings: Settings) -> RedisWorkers:
    """The workers whose heartbeats are in the settings' Redis."""
    return RedisWorkers(_redis(settings))


def questions_in_redis(settings: Settings) -> RedisQuestions:
    """The questions to models that are in the settings' Redis."""
    return RedisQuestions(_redis(settings))


def _redis(settings: Settings) -> redis.Redis:
    return redis_client(
        settings.redis_url,
        timeout_s=SOCKET_TIMEOUT_S,
        connect_timeout_s=CONNECT_TIMEOUT_S,
        decode_responses=True,
    )


def wait_for_servers(settings: Settings) -> None:
    """Wait until Redis and the store answer; creates the bucket if there is none.

    Each problem is logged once. SaescopeError names the problems that are left after `start_timeout_s`; a request that
    is under way by then may add some 30 seconds.
    """
    begin = time.monotonic()
    store = ObjectStore.from_settings(settings)
    checks: list[Callable[[], None]] = [lambda: _check_redis(settings.redis_url), store.create_bucket]
    said: set[str] = set()
    while True:
        problems = {check: problem for check in checks if (problem := _problem(check))}
        if not problems:
            return
        left_s = max(0.0, begin + settings.start_timeout_s - time.monotonic())
        for problem in problems.values():
            if problem not in said:
                log("waiting_for_servers", logging.WARNING, problem=problem, at_most_s=round(left_s, 1))
        if not left_s:
            raise SaescopeError(
                f"gave up after {settings.start_timeout_s:g} s (SAESCOPE_START_TIMEOUT_S): "
                + "; and ".join(problems.values())
            )
        said.update(problems.values())
        checks = list(problems)
        time.sleep(min(_POLL_S, left_s))


def _problem(check: Callable[[], None]) -> str | None:
    try:
        check()
    except UnavailableError as error:
        return str(error)
    return None


def _check_redis(url: str) -> None:
    """Raise UnavailableError unless Redis accepts this user and answers."""
    parts = urlsplit(url)
    place = f"Redis at {parts.hostname}:{parts.port or 6379}"  # the whole URL may hold a password
    try:
        with redis_client(url, timeout_s=SOCKET_TIMEOUT_S, connect_timeout_s=CONNECT_TIMEOUT_S) as client:
            client.ping()
    except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as error:
        raise UnavailableError(
            f"{place} refuses this user; check user and password in SAESCOPE_REDIS_URL ({error})"
        ) from error
    except redis.RedisError as error:
        raise UnavailableError(f"{place} can't be used; is it up? ({error})") from error
