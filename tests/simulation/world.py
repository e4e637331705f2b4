"""The simulated store, queue and clock, in memory. This file knows nothing of runs."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

from services.common.dependency_interfaces import Service, UnavailableError, Unfit
from services.common.redis.worker_presence import ALIVE_S, UNFIT_S
from services.common.tasks.messages import Message, Task
from sparse_autoencoder.runs.store import NotFoundError
from tests.simulation.network import Network
from tests.simulation.scheduler import Process, Scheduler, Thread

EPOCH_S = 1.7e9


@dataclass(eq=False)
class MemoryStore:
    """The port Store."""

    network: Network
    objects: dict[str, bytes] = field(default_factory=dict)
    full: bool = False
    spoil: Callable[[str, bytes], bytes] = lambda key, data: data
    before_put: Callable[[str, bytes], None] = lambda key, data: None
    asked: Callable[[str, str, bool, bytes], None] = lambda call, key, found, data: None
    after_change: Callable[[str], None] = lambda key: None

    def put(self, key: str, data: bytes | BinaryIO) -> None:
        """See Store.put."""
        content = data if isinstance(data, bytes) else data.read()

        def effect() -> None:
            if self.full:
                self.network.note("put on a full disk")
                raise UnavailableError("the disk is full")
            stored = self.spoil(key, content)
            self.before_put(key, stored)
            self.objects[key] = stored
            self.after_change(key)

        self.asked("put", key, True, content)
        self.network.call("store", f"put {key}", effect)

    def create(self, key: str, data: bytes) -> bool:
        """See Store.create."""

        def effect() -> bool:
            if key in self.objects:
                return False
            if self.full:
                self.network.note("put on a full disk")
                raise UnavailableError("the disk is full")
            self.before_put(key, data)
            self.objects[key] = data
            self.after_change(key)
            return True

        return self.network.call("store", f"create {key}", effect)

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """See Store.get."""
        return self.network.call("store", f"get {key}", lambda: self._object(key))

    def size(self, key: str) -> int:
        """See Store.size."""
        return self.network.call("store", f"size {key}", lambda: len(self._object(key)))

    def list(self, prefix: str = "") -> list[str]:
        """See Store.list."""
        return self.network.call("store", f"list {prefix}", lambda: self.below(prefix))

    def folders(self) -> builtins.list[str]:
        """See Store.folders."""
        return self.network.call("store", "folders", lambda: sorted({key.partition("/")[0] for key in self.objects}))

    def delete(self, key: str) -> None:
        """See Store.delete."""

        def effect() -> None:
            if self.objects.pop(key, None) is not None:
                self.after_change(key)

        self.network.call("store", f"delete {key}", effect)

    def below(self, prefix: str) -> builtins.list[str]:
        """The keys that begin so."""
        return sorted(key for key in self.objects if key.startswith(prefix))

    def _object(self, key: str) -> bytes:
        self.asked("look", key, key in self.objects, b"")
        try:
            return self.objects[key]
        except KeyError:
            raise NotFoundError(f"there is no {key}") from None


@dataclass(eq=False)
class MemoryQueue:
    """The port Queue, and what a worker needs of it."""

    network: Network
    lists: dict[Task, list[Message]] = field(default_factory=lambda: {"ingest": [], "encode": [], "aggregate": []})
    bound: int = 0
    too_long: Callable[[str], None] = lambda what: None
    _idle: dict[Task, list[Thread]] = field(default_factory=lambda: {"ingest": [], "encode": [], "aggregate": []})
    _wipes: int = 0

    def send(self, message: Message) -> None:
        """See Queue.send."""
        self.network.call("redis", f"send {_short(message)}", lambda: self._send(message))

    def waiting(self, task: Task) -> set[Message]:
        """See Queue.waiting."""
        return self.network.call("redis", f"waiting {task}", lambda: set(self.lists[task]))

    def take(self, task: Task) -> Message:
        """Any message that waits, as soon as there is one; it is to be given back or done."""
        scheduler, thread = self.network.scheduler, self.network.scheduler.running
        while not self.lists[task] or "redis" in self.network.down:
            self._idle[task].append(thread)
            try:
                scheduler.wait()
            finally:
                if thread in self._idle[task]:
                    self._idle[task].remove(thread)
        waiting = self.lists[task]
        message = waiting.pop(scheduler.random.randrange(len(waiting)))
        thread.working_on = message
        if scheduler.trace is not None:
            scheduler.say(f"takes {_short(message)}")
        return message

    def done(self, message: Message) -> None:
        """A message was worked on; that may get lost."""
        self.network.scheduler.running.working_on = None
        if (
            self.network.faulty
            and self.network.scheduler.random.random() < self.network.plan.messages["duplicated"] / 4
        ):
            self.network.note("message delivered again though done")
            self._add_later(message)

    def give_back(self, message: Message) -> None:
        """The worker is dead: the message comes again after a while, or never."""
        if self.network.scheduler.random.random() < 0.5:
            self.network.note("message of a dead worker delivered again")
            self._add_later(message)

    def wipe(self) -> None:
        """Lose everything."""
        for messages in self.lists.values():
            messages.clear()
        self._wipes += 1

    def ring(self) -> None:
        """Let all idle workers look."""
        for task in self.lists:
            self._wake(task)

    def _send(self, message: Message) -> None:
        network = self.network
        if network.faulty:
            drawn = network.scheduler.random.random()
            rates = network.plan.messages
            if drawn < rates["lost"]:
                network.note("message lost")
                return
            if drawn < rates["lost"] + rates["delayed"]:
                network.note("message delayed")
                self._add_later(message)
                return
            if drawn < rates["lost"] + rates["delayed"] + rates["duplicated"]:
                network.note("message duplicated")
                self._add(message)
        self._add(message)

    def _add(self, message: Message) -> None:
        self.lists[message.task].append(message)
        if len(self.lists[message.task]) > self.bound:
            self.too_long(f"{len(self.lists[message.task])} messages wait in {message.task}")
        self._wake(message.task)

    def _add_later(self, message: Message) -> None:
        wipes = self._wipes

        def add() -> None:
            if self._wipes == wipes:
                self._add(message)

        self.network.scheduler.at(self.network.scheduler.random.uniform(0.5, 15), add)

    def _wake(self, task: Task) -> None:
        scheduler = self.network.scheduler
        for thread in self._idle[task]:
            scheduler.wake(thread, scheduler.random.random() * 0.01)
        self._idle[task].clear()


@dataclass(eq=False)
class VirtualClock:
    """The port Clock."""

    scheduler: Scheduler

    def now(self) -> float:
        """See Clock.now."""
        return EPOCH_S + self.scheduler.now

    def sleep(self, seconds: float) -> None:
        """See Clock.sleep."""
        self.scheduler.sleep(seconds)


@dataclass(eq=False)
class LiveWorkers:
    """The port Workers: who is alive is known of the processes; a death is noticed after a while."""

    scheduler: Scheduler
    processes: dict[str, Process] = field(default_factory=dict)  # by the workers' names, the last of each
    _unfit: dict[tuple[str, str], tuple[Unfit, float]] = field(default_factory=dict)  # by run and worker, until when

    def alive(self, service: Service) -> set[str]:
        """See Workers.alive."""
        return {name for name in self.processes if name.startswith(f"{service}-")}

    def say_unfit(self, run_id: str, worker: str, unfit: Unfit) -> None:
        """See Workers.say_unfit."""
        self._unfit[run_id, worker] = unfit, self.scheduler.now + UNFIT_S

    def unfit(self, run_id: str) -> Mapping[str, Unfit]:
        """See Workers.unfit."""
        now = self.scheduler.now
        return {worker: unfit for (run, worker), (unfit, until) in self._unfit.items() if run == run_id and now < until}

    def started(self, process: Process) -> None:
        """A process is there."""
        self.processes[process.name] = process

    def died(self, process: Process) -> None:
        """A process is gone, which is noticed when it is silent for long."""

        def noticed() -> None:
            if self.processes.get(process.name) is process:
                del self.processes[process.name]

        self.scheduler.at(ALIVE_S, noticed)


@dataclass(eq=False)
class VirtualDeadlines:
    """The port Deadlines: the process crashes when its work hangs, and comes back like any that crashed."""

    network: Network

    @contextmanager
    def watch(
        self, what: str, floor_s: float, usual_s: float, expired: Callable[[], None]
    ) -> Iterator[Callable[[], None]]:
        """See Deadlines.watch."""
        scheduler, process = self.network.scheduler, self.network.scheduler.running.process
        over, deadline = False, scheduler.now + max(floor_s, 10 * usual_s)

        def moved() -> None:
            nonlocal deadline
            deadline = max(deadline, scheduler.now + floor_s)

        def end() -> None:
            expired()
            scheduler.crash(process)

        def look() -> None:
            if over or process.dead:
                return
            if scheduler.now < max(deadline, process.frozen_until):
                scheduler.at(max(deadline, process.frozen_until) - scheduler.now, look)
                return
            self.network.note("work that hangs is ended")
            scheduler.spawn(process, end)

        look()
        try:
            yield moved
        finally:
            over = True


class Silence:
    """The port Notes."""

    def note(self, run_id: str, sentence: str) -> None:
        """See Notes.note."""


def _short(message: Message) -> str:
    return f"{message.task} {message.run_id}" + ("" if message.chunk is None else f" {message.chunk}")
