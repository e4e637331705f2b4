"""A Redis in memory, as far as the services' leases and attempts use one; and what of the services runs on it.

RedisLeases and RedisAttempts are the services' own. Here they get a server whose calls pass the simulated network, time
that the schedule decides, and a renewing thread that takes its turn like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, TypeVar, cast

import redis

from services.common.dependency_interfaces import AttemptRecord, UnavailableError
from services.common.process.background_threads import Pause
from services.common.redis.attempts import TAKE_BACK, RedisAttempts
from services.common.redis.leases import LEASE_PREFIX, RELEASE, RENEW, Hold, RedisLeases
from tests.simulation.network import Network
from tests.simulation.scheduler import Scheduler, Thread

LEASE_S = 10.0
T = TypeVar("T")


@dataclass(eq=False)
class MemoryRedis:
    """Strings that expire, and hashes; scripts are known by their text."""

    network: Network
    strings: dict[str, tuple[str, float]] = field(default_factory=dict)  # each with the time at which it expires
    hashes: dict[str, dict[str, str]] = field(default_factory=dict)

    def wipe(self) -> None:
        """Lose everything."""
        self.strings.clear()
        self.hashes.clear()

    def live(self, key: str) -> str | None:
        """A string as the server has it now."""
        value, until = self.strings.get(key, ("", 0.0))
        return value if self.network.scheduler.now < until else None

    # -- as redis.Redis has it ---------------------------------------------------------------------------------------

    def set(self, key: str, value: str, *, nx: bool = False, px: int) -> bool | None:
        """SET."""

        def effect() -> bool | None:
            if nx and self.live(key) is not None:
                return None
            self.strings[key] = value, self.network.scheduler.now + px / 1000
            return True

        return self._call(f"set {key}", effect)

    def get(self, key: str) -> str | None:
        """GET."""
        return self._call(f"get {key}", lambda: self.live(key))

    def delete(self, *keys: str) -> None:
        """DEL."""

        def effect() -> None:
            for key in keys:
                self.strings.pop(key, None)
                self.hashes.pop(key, None)

        self._call(f"delete {' '.join(keys)}", effect)

    def scan_iter(self, match: str, count: int) -> list[str]:
        """SCAN, for patterns that end with the only star."""

        def effect() -> list[str]:
            return [key for key in self.strings if self.live(key) is not None and fnmatchcase(key, match)]

        return self._call(f"scan {match}", effect)

    def hincrby(self, key: str, name: str, amount: int) -> int:
        """HINCRBY."""
        return self._call(f"hincrby {key} {name}", lambda: self._add(key, name, amount))

    def hset(self, key: str, name: str, value: str) -> None:
        """HSET."""
        self._call(f"hset {key} {name}", lambda: self.hashes.setdefault(key, {}).update({name: value}))

    def hdel(self, key: str, *names: str) -> None:
        """HDEL."""

        def effect() -> None:
            for name in names:
                self.hashes.get(key, {}).pop(name, None)

        self._call(f"hdel {key}", effect)

    def hgetall(self, key: str) -> dict[str, str]:
        """HGETALL."""
        return self._call(f"hgetall {key}", lambda: dict(self.hashes.get(key, {})))

    def hkeys(self, key: str) -> list[str]:
        """HKEYS."""
        return self._call(f"hkeys {key}", lambda: list(self.hashes.get(key, {})))

    def expire(self, key: str, seconds: int) -> None:
        """EXPIRE, which is after the schedule's end."""

    def register_script(self, script: str) -> Callable[..., int]:
        """What EVAL does."""
        scripts: dict[str, tuple[str, Callable[..., int]]] = {
            RENEW: ("renew", self._renew),
            RELEASE: ("release", self._release),
            TAKE_BACK: ("take back", self._take_back),
        }
        name, effect = scripts[script]

        def call(keys: Sequence[str], args: Sequence[Any]) -> int:
            return self._call(f"{name} {keys[0]}", lambda: effect(keys[0], *args))

        return call

    def _renew(self, key: str, owner: str, ms: int) -> int:
        if self.live(key) != owner:
            return 0
        self.strings[key] = owner, self.network.scheduler.now + ms / 1000
        return 1

    def _release(self, key: str, owner: str) -> int:
        if self.live(key) != owner:
            return 0
        del self.strings[key]
        return 1

    def _take_back(self, key: str, name: str) -> int:
        if self._add(key, name, -1) <= 0:
            del self.hashes[key][name]
        return 0

    def _add(self, key: str, name: str, amount: int) -> int:
        fields = self.hashes.setdefault(key, {})
        fields[name] = str(int(fields.get(name, 0)) + amount)
        return int(fields[name])

    def _call(self, what: str, effect: Callable[[], T]) -> T:
        try:
            return self.network.call("redis", what, effect)
        except UnavailableError as error:
            raise redis.ConnectionError(str(error)) from error


@dataclass(eq=False)
class Greenlets:
    """A Background of the schedule's threads and its time."""

    scheduler: Scheduler

    def monotonic(self) -> float:
        """See Background.monotonic."""
        return self.scheduler.now

    @contextmanager
    def beside(self, name: str, work: Callable[[Pause], None]) -> Iterator[None]:
        """See Background.beside."""
        scheduler, process = self.scheduler, self.scheduler.running.process
        over = ended = pausing = False

        def pause(seconds: float) -> bool:
            nonlocal pausing
            if not over:
                pausing = True
                scheduler.sleep(seconds)
                pausing = False
            return over

        def body() -> None:
            nonlocal ended
            work(pause)
            ended = True

        thread = scheduler.spawn(process, body)
        try:
            yield
        finally:
            over = True
            if not process.dead and not ended and pausing:
                scheduler.wake(thread)
            while not process.dead and not ended:
                scheduler.sleep(0.01)


@dataclass(frozen=True)
class Held:
    """A lease that a thread believes to have."""

    name: str
    owner: str
    hold: Hold


class PlayedLeases(RedisLeases):
    """The services' leases; they tell who holds what."""

    def __init__(self, server: MemoryRedis) -> None:
        super().__init__(cast("redis.Redis", server), LEASE_S, Greenlets(server.network.scheduler))
        self._server = server
        self._network = server.network
        self._owners: dict[Thread, str] = {}  # of what each thread has taken last
        self.current: dict[Thread, list[Held]] = {}  # what each thread holds, the last taken last
        self.taken: Callable[[str], None] = lambda name: None

    def acquire(self, name: str, owner: str) -> bool:
        """See RedisLeases.acquire."""
        self._owners[self._network.scheduler.running] = owner
        return super().acquire(name, owner)

    @contextmanager
    def hold(self, name: str) -> Iterator[Hold | None]:
        """See RedisLeases.hold."""
        thread, kind = self._network.scheduler.running, name.partition("/")[0]
        with super().hold(name) as hold:
            if hold is None:
                self._network.note(f"{kind} lease held by another")
                yield None
                return
            self.taken(name)
            mine = self.current.setdefault(thread, [])
            held = Held(name, self._owners[thread], hold)
            mine.append(held)
            try:
                yield hold
                if hold.lost:
                    self._network.note(f"{kind} lease lost and noticed")
            finally:
                mine.remove(held)
                if not mine:
                    del self.current[thread]

    def has(self, held: Held) -> bool:
        """Whether the server agrees that a lease is held."""
        return self._server.live(LEASE_PREFIX + held.name) == held.owner


class PlayedAttempts(RedisAttempts):
    """The services' attempts; they tell what was begun, and what could not be taken back."""

    def __init__(self, server: MemoryRedis) -> None:
        super().__init__(cast("redis.Redis", server))
        self.begun: Callable[[str, str, str], None] = lambda run_id, what, worker: None
        self.not_taken_back: Callable[[str, str], None] = lambda run_id, what: None

    def begin(self, run_id: str, what: str, worker: str) -> AttemptRecord:
        """See RedisAttempts.begin."""
        self.begun(run_id, what, worker)
        try:
            return super().begin(run_id, what, worker)
        except UnavailableError:
            self.not_taken_back(run_id, what)  # it may have been counted, or will be
            raise

    def forget(self, run_id: str, what: str | None = None) -> None:
        """See RedisAttempts.forget."""
        try:
            super().forget(run_id, what)
        except UnavailableError:
            if what is not None:
                self.not_taken_back(run_id, what)
            raise

    def take_back(self, run_id: str, what: str, worker: str) -> None:
        """See RedisAttempts.take_back."""
        try:
            super().take_back(run_id, what, worker)
        except UnavailableError:
            self.not_taken_back(run_id, what)
            raise
