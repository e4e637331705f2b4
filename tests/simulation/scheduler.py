"""Virtual time, and processes whose threads take turns: what happens when is decided by a seed alone.

A thread runs until it sleeps or waits, in no time at all; then the one whose turn comes next goes on. This file knows
nothing of what the threads do.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]


class Crash(SystemExit):
    """The process is dead: raised in its threads wherever they are, and nothing may catch it."""


@dataclass(eq=False)
class Process:
    """A process of a service; a crashed one is followed by a new one."""

    name: str
    dead: bool = False
    frozen_until: float = 0.0
    may_freeze_at: float = 0.0
    may_crash: bool = True
    told_to_stop: bool = False
    kind: str = ""  # of processor
    started_at: float = 0.0
    on_crash: Callable[[], None] = lambda: None


@dataclass(eq=False)
class Thread:
    """A thread of a process."""

    process: Process
    greenlet: greenlet
    turn: int = -1  # of what was planned for it, the one that counts
    working_on: object = None


@dataclass(eq=False)
class Scheduler:
    """Whose turn it is."""

    random: Random
    trace: list[str] | None = None
    now: float = 0.0
    until: float = 0.0
    _planned: list[tuple[float, int, Thread | Callable[[], None]]] = field(default_factory=list)
    _turns: int = 0
    _threads: list[Thread] = field(default_factory=list)
    _running: Thread | None = None
    _hub: greenlet = field(default_factory=getcurrent)

    @property
    def running(self) -> Thread:
        """The thread whose turn it is."""
        assert self._running is not None
        return self._running

    def say(self, what: str) -> None:
        """Add a line to the trace."""
        if self.trace is not None:
            who = self._running.process.name if self._running is not None else "world"
            self.trace.append(f"{self.now:10.4f} {who:14} {what}")

    def spawn(self, process: Process, body: Callable[[], None]) -> Thread:
        """Start a thread."""

        def run() -> None:
            with suppress(Crash):
                if not process.dead:
                    body()

        thread = Thread(process, greenlet(run, self._hub))  # threads may start threads
        self._threads.append(thread)
        self.wake(thread)
        return thread

    def at(self, delay_s: float, action: Callable[[], None]) -> None:
        """Have something happen by itself, after a while."""
        self._plan(self.now + delay_s, action)

    def wake(self, thread: Thread, delay_s: float = 0.0) -> None:
        """Let a thread go on after a while, whatever was planned for it before."""
        thread.turn = self._plan(self.now + delay_s, thread)

    def wait(self) -> None:
        """Let the others run until somebody wakes this thread."""
        thread = self.running
        thread.turn = -1
        thread.greenlet.parent.switch()
        if thread.process.dead:
            raise Crash

    def sleep(self, seconds: float) -> None:
        """Let time pass for this thread."""
        thread = self.running
        if thread.process.dead:
            raise Crash
        time = self.now + seconds
        if time < self.until and (not self._planned or time < self._planned[0][0]):
            self.now = time  # it would be the next one anyway
            return
        self._turns += 1
        thread.turn = self._turns
        heapq.heappush(self._planned, (time, self._turns, thread))
        thread.greenlet.parent.switch()
        if thread.process.dead:
            raise Crash

    def threads(self, process: Process) -> list[Thread]:
        """A process's threads that haven't ended."""
        return [thread for thread in self._threads if thread.process is process]

    def crash(self, process: Process) -> None:
        """Kill a process; each of its threads ends when its next turn comes, or now if it is the one that runs."""
        process.dead = True
        process.on_crash()
        for thread in self.threads(process):
            if thread is not self._running:
                self.wake(thread)
        if self._running is not None and self._running.process is process:
            raise Crash

    def run(self, until: float) -> None:
        """Let everybody run until a time."""
        self.until = until
        while self._planned and self._planned[0][0] <= self.until:
            time, turn, target = heapq.heappop(self._planned)
            if not isinstance(target, Thread):
                self.now = time
                target()
            elif turn == target.turn:
                if target.process.frozen_until > time and not target.process.dead:
                    target.turn = self._plan(target.process.frozen_until, target)
                    continue
                self.now = time
                self._switch(target)
        self.now = until

    def end(self) -> None:
        """Kill whatever still runs."""
        for thread in list(self._threads):
            thread.process.dead = True
            self._switch(thread)

    def _switch(self, thread: Thread) -> None:
        self._running = thread
        thread.greenlet.switch()
        self._running = None
        if thread.greenlet.dead:
            self._threads.remove(thread)

    def _plan(self, time: float, target: Thread | Callable[[], None]) -> int:
        self._turns += 1
        heapq.heappush(self._planned, (time, self._turns, target))
        return self._turns
