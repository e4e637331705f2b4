"""The simulated leases, in memory. A live process renews what it holds without being asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from math import inf

from services.common.ports import UnavailableError
from tests.simulation.network import Network
from tests.simulation.scheduler import Process, Scheduler, Thread

LEASE_S = 10.0


@dataclass(eq=False)
class MemoryHold:
    """The port Hold."""

    scheduler: Scheduler
    process: Process
    name: str
    until: float  # in Redis
    lost_at: float = inf  # the holder notices
    noticed: Callable[[str], None] = lambda name: None

    @property
    def lost(self) -> bool:
        """See Hold.lost."""
        if self.scheduler.now < self.lost_at:
            return False
        self.noticed(self.name)
        return True


@dataclass(eq=False)
class MemoryLeases:
    """The port Leases."""

    network: Network
    holds: dict[str, MemoryHold] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    # what each thread holds, the last taken last
    current: dict[Thread, list[MemoryHold]] = field(default_factory=dict)
    counted: Callable[[str], None] = lambda name: None
    forgotten: Callable[[str], None] = lambda prefix: None
    taken: Callable[[str], None] = lambda name: None

    @contextmanager
    def hold(self, name: str) -> Iterator[MemoryHold | None]:
        """See Leases.hold."""
        scheduler = self.network.scheduler
        process = scheduler.running.process
        hold = self.network.call("redis", f"hold {name}", lambda: self._acquire(name, process))
        if hold is None:
            self.network.note(f"{name.partition('/')[0]} lease held by another")
            yield None
            return
        if self.holds.get(name) is hold and scheduler.now < hold.until:
            hold.until = inf
        else:
            hold.lost_at = scheduler.now
        self.taken(name)
        mine = self.current.setdefault(scheduler.running, [])
        mine.append(hold)
        try:
            yield hold
        finally:
            mine.remove(hold)
            if not mine:
                del self.current[scheduler.running]
            if not hold.process.dead:
                self._stop_renewing(hold)
                with suppress(UnavailableError):
                    self.network.call("redis", f"release {name}", lambda: self._release(hold))

    def held(self, prefix: str) -> set[str]:
        """See Leases.held."""
        now = self.network.scheduler.now

        def effect() -> set[str]:
            return {name for name, hold in self.holds.items() if name.startswith(prefix) and now < hold.until}

        return self.network.call("redis", f"held {prefix}", effect)

    def count(self, name: str) -> int:
        """See Leases.count."""

        def effect() -> int:
            self.counts[name] += 1
            self.counted(name)
            return self.counts[name]

        return self.network.call("redis", f"count {name}", effect)

    def forget(self, prefix: str) -> None:
        """See Leases.forget."""

        def effect() -> None:
            for name in [name for name in self.counts if name.startswith(prefix)]:
                del self.counts[name]
            self.forgotten(prefix)

        self.network.call("redis", f"forget {prefix}", effect)

    def dead(self, process: Process) -> None:
        """Nobody renews this process's leases any more."""
        for hold in self.holds.values():
            if hold.process is process:
                self._stop_renewing(hold)

    def silent(self, process: Process | None, seconds: float) -> None:
        """A process (None: nobody) can't renew for a while."""
        now = self.network.scheduler.now
        for hold in self.holds.values():
            if process is None or hold.process is process:
                until = self._end_of_lease()
                if until < now + seconds:
                    hold.until = min(hold.until, until)
                    hold.lost_at = min(hold.lost_at, until)

    def wipe(self) -> None:
        """Lose everything; who holds a lease notices when it is to be renewed."""
        now = self.network.scheduler.now
        for hold in self.holds.values():
            hold.until = now
            hold.lost_at = min(hold.lost_at, now + self.network.scheduler.random.random() * LEASE_S / 4)
        self.holds.clear()
        self.counts.clear()

    def _acquire(self, name: str, process: Process) -> MemoryHold | None:
        scheduler = self.network.scheduler
        before = self.holds.get(name)
        if before is not None and scheduler.now < before.until:
            return None
        # Until the answer has arrived nobody renews it.
        hold = MemoryHold(scheduler, process, name, scheduler.now + LEASE_S)
        hold.noticed = lambda name: self.network.note(f"{name.partition('/')[0]} lease lost and noticed")
        self.holds[name] = hold
        return hold

    def _release(self, hold: MemoryHold) -> None:
        if self.holds.get(hold.name) is hold:
            del self.holds[hold.name]

    def _stop_renewing(self, hold: MemoryHold) -> None:
        hold.until = min(hold.until, self._end_of_lease())

    def _end_of_lease(self) -> float:
        """Until when a lease lasts that is renewed no more: the last renewal was up to a quarter of it ago."""
        return self.network.scheduler.now + self.network.scheduler.random.uniform(0.75, 1) * LEASE_S
