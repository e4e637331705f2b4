"""The way to the simulated servers, with all its faults.

Every call is a moment at which others may go on, and at which a fault may happen. This file knows no server.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from services.common.dependency_interfaces import UnavailableError
from sparse_autoencoder.runs.store import NotFoundError
from tests.simulation.faults import FAULTS_END_S, MAX_FREEZE_S, CallFault, Plan
from tests.simulation.scheduler import Process, Scheduler, Thread

LATE_S = 5.0  # so long a request may be on its way
T = TypeVar("T")
Server = Literal["redis", "store"]


@dataclass(eq=False)
class Network:
    """Where requests pass, and where what happens is counted."""

    scheduler: Scheduler
    plan: Plan
    tally: Counter[str] = field(default_factory=Counter)  # how often everything happened
    down: set[Server] = field(default_factory=set)
    calls: int = 0
    _waiting: dict[int, Thread] = field(default_factory=dict)

    @property
    def faulty(self) -> bool:
        """Whether something may still go wrong."""
        return self.scheduler.now < FAULTS_END_S

    def note(self, what: str) -> None:
        """Count something that happened, and say so in the trace."""
        self.tally[what] += 1
        self.scheduler.say(f"** {what}")

    def call(self, server: Server, what: str, effect: Callable[[], T]) -> T:
        """A request: some time passes, the effect happens, whole or not at all, and the answer comes back, or not."""
        scheduler = self.scheduler
        scheduler.sleep(scheduler.random.random() ** 4 * self.plan.latency_s)
        scheduler.say(what)
        self.calls += 1
        if (waiting := self._waiting.pop(self.calls, None)) is not None:
            scheduler.wake(waiting)
        fault = self._fault()
        if fault is not None:
            return self._faulty_call(fault, server, effect)
        return self._answer(server, effect)

    def wait(self, calls: int) -> None:
        """Let so many calls pass."""
        number = self.calls + calls + 1
        while number in self._waiting:
            number += 1
        self._waiting[number] = self.scheduler.running
        self.scheduler.wait()

    def freeze(self, process: Process) -> None:
        """Stop a process for a while, and let it go on as if nothing had been."""
        seconds = self.scheduler.random.uniform(1, MAX_FREEZE_S)
        process.frozen_until = self.scheduler.now + seconds
        process.may_freeze_at = process.frozen_until + MAX_FREEZE_S
        self.scheduler.sleep(seconds)

    def _fault(self) -> CallFault | None:
        """What goes wrong with a call, if something does."""
        if not self.faulty:
            return None
        process, drawn = self.scheduler.running.process, self.scheduler.random.random()
        for kind, rate in self.plan.calls.items():
            if drawn < rate:
                crash, freeze = kind.startswith("crash"), kind.startswith("freeze")
                if (crash and not process.may_crash) or (freeze and self.scheduler.now < process.may_freeze_at):
                    return None
                return kind
            drawn -= rate
        return None

    def _answer(self, server: Server, effect: Callable[[], T]) -> T:
        if server in self.down:
            self.tally[f"{server} called while down"] += 1
            self.scheduler.sleep(self.scheduler.random.uniform(0, 3))
            raise UnavailableError(f"{server} is down")
        return effect()

    def _faulty_call(self, kind: CallFault, server: Server, effect: Callable[[], T]) -> T:
        self.note(kind)
        self._before(kind, server, effect)
        result = self._answer(server, effect)
        process = self.scheduler.running.process
        if kind == "crash after":
            self.scheduler.crash(process)
        if kind == "freeze after":
            self.freeze(process)
        if kind == "fail after":
            raise UnavailableError("no answer, though it was done")
        return result

    def _before(self, kind: CallFault, server: Server, effect: Callable[[], object]) -> None:
        process, random = self.scheduler.running.process, self.scheduler.random
        if kind == "crash before":
            self.scheduler.crash(process)
        if kind == "freeze before":
            self.freeze(process)
        if kind == "delay":
            self.scheduler.sleep(random.uniform(0, 3))
        if kind == "land late":
            self.scheduler.at(random.uniform(0.1, LATE_S), lambda: self._land(server, effect))
        if kind in ("fail before", "land late"):
            raise UnavailableError("no answer")

    def _land(self, server: Server, effect: Callable[[], object]) -> None:
        self.scheduler.say("a late request lands")
        if server not in self.down:
            with suppress(UnavailableError, NotFoundError):
                effect()
