"""One schedule: a world, the services' processes in it, users, and faults, all from one seed.

The processes run the services' own work functions. This file knows nothing of what they do.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TypeVar

from services.aggregator.merge_and_publish import Aggregator
from services.aggregator.reconcile_loop import LATE_S, ReconcileLoop
from services.common.attempt_rule import AttemptRule, FailedAttempt
from services.common.dependency_interfaces import Dependencies, Service, UnavailableError
from services.common.run_control import RunControl
from services.common.run_json_files import RunRequest
from services.common.run_workspace import Workspace
from services.common.settings import Settings
from services.common.tasks.messages import Message, Task
from services.encoder.encode_chunks import ChunkEncoder
from services.ingest.read_source import ingest
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.run_options import RunOptions
from tests.simulation.checks import Checks
from tests.simulation.compute import Compute
from tests.simulation.fake_state import FakeState
from tests.simulation.faults import (
    FAULTS_END_S,
    OTHER_KIND_S,
    PATIENCE_S,
    REAP_EVERY_S,
    STALL_S,
    Action,
    Plan,
    Script,
    draw_plan,
)
from tests.simulation.memory_redis import MemoryRedis, PlayedAttempts, PlayedLeases
from tests.simulation.network import Network
from tests.simulation.scheduler import Crash, Process, Scheduler
from tests.simulation.world import LiveWorkers, MemoryQueue, MemoryStore, Silence, VirtualClock, VirtualDeadlines

GIVE_UP_S = 8000.0  # by then every run must have ended
T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """What a schedule showed."""

    seed: int
    violations: list[str]
    tally: Counter[str]
    trace: list[str]
    seconds: float  # virtual ones


def play(seed: int, traced: bool = False) -> Outcome:
    """Play a schedule to its end."""
    return _Schedule(seed, traced).play()


class _Schedule:
    def __init__(self, seed: int, traced: bool) -> None:
        random = Random(seed)
        self.seed = seed
        self.plan: Plan = draw_plan(random)
        self.scheduler = Scheduler(random, [] if traced else None)
        self.network = Network(self.scheduler, self.plan)
        self.store = MemoryStore(self.network)
        self.queue = MemoryQueue(self.network)
        self.redis = MemoryRedis(self.network)
        self.leases = PlayedLeases(self.redis)
        self.attempts = PlayedAttempts(self.redis)
        self.workers = LiveWorkers(self.scheduler)
        plan = self.plan
        self.world = Dependencies(
            self.store,
            self.queue,
            self.leases,
            self.attempts,
            self.workers,
            Silence(),
            VirtualDeadlines(self.network),
            VirtualClock(self.scheduler),
            Settings(
                max_waiting_chunks=plan.max_waiting_chunks,
                chunk_attempts=plan.chunk_attempts,
                save_every_s=plan.save_every_s,
                patience_s=PATIENCE_S,
                other_kind_s=OTHER_KIND_S,
            ),
        )
        self.control = RunControl(self.world)
        self.compute = Compute(self.network, {script.name: script for script in self.plan.scripts})
        self.checks = Checks(self.network, self.plan, self.store, self.leases, self.workers, self.compute)
        # Twice what may wait, as each may be queued twice, and what was sent about nothing.
        self.queue.bound = 2 * len(self.plan.scripts) * (self.plan.max_waiting_chunks + 4)
        self._connect()
        self._acting = {script.name for script in self.plan.scripts}  # whose users have plans
        self._merged_last: dict[str, Process] = {}

    def _connect(self) -> None:
        self.store.before_put, self.store.after_change = self.checks.before_put, self.checks.after_change
        self.store.spoil = self.compute.spoil
        self.store.asked = self.checks.asked
        self.attempts.begun, self.attempts.not_taken_back = self.checks.begun, self.checks.not_taken_back
        self.compute.given_up = self.checks.given_up
        self.queue.too_long = self.checks.violation
        self.leases.taken = self._taken

    def play(self) -> Outcome:
        """Let everything begin, then wait for the end."""
        scheduler, plan = self.scheduler, self.plan
        scheduler.say(str(plan))
        self.store.objects["no run of ours/file"] = b""
        for number in range(plan.num_ingests):
            self._start(f"ingest-{number}", self._ingest, self._ingest)  # each does several at once
        for number in range(plan.num_encoders):
            self._start(f"encoder-{number}", self._encoder)
        for number in range(plan.num_aggregators):
            self._start(f"aggregator-{number}", self._aggregator, self._reconcile)
        for script in plan.scripts:
            scheduler.spawn(Process(f"user of {script.name}", may_crash=False), partial(self._user, script))
        for begin, kind, seconds in plan.episodes:
            scheduler.at(begin, partial(self._episode, kind, seconds))
        scheduler.run(FAULTS_END_S)
        while (self._acting or not self.checks.settled()) and scheduler.now < GIVE_UP_S and not self.checks.violations:
            scheduler.run(scheduler.now + 5)
        # What was frozen wakes up, what is late comes, and the reconcile loop sweeps for the last time.
        stalls = any(script.stalls for script in plan.scripts)
        scheduler.run(scheduler.now + LATE_S + 30 + (2 * STALL_S + LATE_S if stalls else 0))
        self.checks.final()
        scheduler.end()
        return Outcome(self.seed, self.checks.violations, self.network.tally, scheduler.trace or [], scheduler.now)

    # -- processes ---------------------------------------------------------------------------------------------------

    def _start(self, name: str, *bodies: Callable[[], None]) -> None:
        process = Process(name)

        process.kind = f"kind {self.scheduler.random.randrange(self.plan.kinds)}"
        process.started_at = self.scheduler.now
        self.workers.started(process)

        def crashed() -> None:
            self.scheduler.say("is dead")
            self.workers.died(process)
            for thread in self.scheduler.threads(process):
                if isinstance(thread.working_on, Message):
                    self.queue.give_back(thread.working_on)
            longest_s = self.scheduler.random.choice((15, 15, 15, 40))  # longer than it counts as alive
            self.scheduler.at(self.scheduler.random.uniform(0.5, longest_s), lambda: self._start(name, *bodies))

        process.on_crash = crashed
        self.scheduler.say(f"{name} starts")
        for body in bodies:
            self.scheduler.spawn(process, body)

    def _attempt_rule(self, service: Service) -> AttemptRule:
        """A process's attempts; sometimes it is told to stop."""
        process = self.scheduler.running.process

        def stopping() -> bool:
            if self.network.faulty and self.scheduler.random.random() < self.plan.stopping:
                process.told_to_stop = True
            if process.told_to_stop:
                self.network.note(f"{service} told to stop")
                self.checks.excused()
            return process.told_to_stop

        def report(reported: FailedAttempt) -> None:
            self.network.note("failed attempt")
            self.checks.failed(reported.run_id, reported.what)

        return AttemptRule(self.world, service, process.name, report, stopping)

    def _ingest(self) -> None:
        rule = self._attempt_rule("ingest")
        self._work("ingest", lambda message: ingest(message.run_id, self.world, self.compute.open_dataset, rule))

    def _encoder(self) -> None:
        encoder = ChunkEncoder(self.world, self.compute, self._attempt_rule("encoder"))

        def encode(message: Message) -> None:
            encoded = encoder.work(message)
            if encoded is not None and encoded.start_fresh is not None:
                self.network.note(f"fresh start: {encoded.start_fresh}")
                self.scheduler.running.process.told_to_stop = True

        self._work("encode", encode)

    def _aggregator(self) -> None:
        aggregator: Aggregator[FakeState] = Aggregator(self.world, self.compute, self._attempt_rule("aggregator"))
        self._work("aggregate", lambda message: aggregator.aggregate(message.run_id))

    def _reconcile(self) -> None:
        loop = ReconcileLoop(self.world)
        while True:
            self.scheduler.sleep(REAP_EVERY_S)
            begin = self.scheduler.now
            try:
                sent = loop.run_once()
            except UnavailableError:
                continue
            for problem in sent.problems:
                if begin > FAULTS_END_S and "there is no run" not in problem:  # it was deleted under our eyes
                    self.checks.violation(f"the reconcile loop has a problem: {problem}")
            for message in sent.messages:
                self.network.note(f"{message.task} requeued by the reconcile loop")

    def _work(self, task: Task, work: Callable[[Message], object]) -> None:
        while True:
            message = self.queue.take(task)
            try:
                work(message)
            except UnavailableError as error:
                self.network.note(f"{task} broken off: unavailable")
                self.scheduler.say(str(error))
                self.checks.excused()
            except Crash:
                raise
            except BaseException:
                self.checks.violation(f"{message} raised {traceback.format_exc()}")
            self.checks.over()
            self.queue.done(message)
            if self.scheduler.running.process.told_to_stop:
                self.scheduler.crash(self.scheduler.running.process)  # an orderly end, and a new process comes

    # -- users -------------------------------------------------------------------------------------------------------

    def _user(self, script: Script) -> None:
        space = Workspace(self.store, script.name)
        self.scheduler.sleep(script.start_s)
        request = RunRequest(options=RunOptions(source=script.name), created_at="2026-01-01T00:00:00+00:00")
        self._insist(lambda: self.control.ask_for(script.name, request))
        for seconds, calls, action in script.actions:
            self.scheduler.sleep(seconds)
            self.network.wait(calls)
            self._insist(partial(self._act, space, action))
        self._acting.discard(script.name)
        while script.fate in (None, "resume"):  # who sees a run failed for something that has passed resumes it
            self.scheduler.sleep(20)
            if script.tries_again and self._insist(lambda: self._has_failed_chunks(space)):
                self.network.note("user: try again")
                self._insist(lambda: self.control.try_again(script.name))
                script.tries_again = False
            stopped = self._insist(space.stopped)
            if stopped is not None and stopped.status == "failed" and self.checks.may_go_on(script):
                self._insist(lambda: self._act(space, "resume"))

    def _act(self, space: Workspace, action: Action) -> None:
        self.network.note(f"user: {action}")
        act = {"delete": self.control.delete, "cancel": self.control.cancel, "resume": self.control.resume}[action]
        act(space.folder.run_id)

    def _has_failed_chunks(self, space: Workspace) -> bool:
        return space.finished() and bool(space.folder.read_metadata().failed_chunks)

    def _insist(self, request: Callable[[], T]) -> T:
        while True:
            try:
                return request()
            except UnavailableError:
                self.scheduler.sleep(6)  # a request that is still on its way has landed by then
            except SaescopeError as error:
                self.checks.violation(f"the user got {error}")
                self.scheduler.sleep(6)

    # -- the world ---------------------------------------------------------------------------------------------------

    def _episode(self, kind: str, seconds: float) -> None:
        self.network.note(kind)
        if kind == "redis wiped":
            self.queue.wipe()
            self.redis.wipe()
        elif kind == "disk full":
            self.store.full = True
            self.scheduler.at(seconds, self._room_again)
        else:
            server = "redis" if kind == "redis down" else "store"
            self.network.down.add(server)  # type: ignore[arg-type]
            self.scheduler.at(seconds, lambda: self._up_again(server))

    def _room_again(self) -> None:
        self.store.full = False

    def _up_again(self, server: str) -> None:
        self.network.down.discard(server)
        self.queue.ring()

    def _taken(self, name: str) -> None:
        """Note who works on what."""
        kind = name.partition("/")[0]
        process = self.scheduler.running.process
        before = self._merged_last.get(name)
        if before is not None and before is not process:
            self.network.note(f"{kind} taken over")
        self._merged_last[name] = process
