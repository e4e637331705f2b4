"""What must be true of the store at every moment of a schedule, and of every run at its end; see test_schedules.py."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from services.common import work_names
from services.common.dependency_interfaces import HOPELESS
from tests.simulation.compute import Compute
from tests.simulation.fake_dataset import OTHER_ROWS, ROWS
from tests.simulation.fake_state import NO_WEIGHTS, published, weights_of
from tests.simulation.faults import ALWAYS, Plan, Script
from tests.simulation.memory_redis import Held, PlayedLeases
from tests.simulation.network import Network
from tests.simulation.scheduler import Thread
from tests.simulation.world import LiveWorkers, MemoryStore


@dataclass(eq=False)
class Attempt:
    """An attempt that began: by whom, and whether it was nobody's failure that it led to nothing."""

    run_id: str
    what: str
    worker: str
    at: float
    excused: bool = False
    advanced: bool = False  # some of its result is there


@dataclass(eq=False)
class Checks:
    """Looks at every change of the store."""

    network: Network
    plan: Plan
    store: MemoryStore
    leases: PlayedLeases
    workers: LiveWorkers
    compute: Compute
    violations: list[str] = field(default_factory=list)
    _furthest: Counter[str] = field(default_factory=Counter)
    _twice_saved: Counter[str] = field(default_factory=Counter)  # the chunks before this one are in two states
    _too_early: dict[str, str] = field(default_factory=dict)  # partials whose chunks had attempts left
    _strange: set[str] = field(default_factory=set)  # chunks that were written by somebody without the lease
    # by a word that a sweep of what was cancelled too late may have removed at the same moment
    _said_deleted: set[str] = field(default_factory=set)
    _attempts: dict[tuple[str, str], list[Attempt]] = field(default_factory=dict)  # by run and what: without success
    _trying: dict[Thread, list[Attempt]] = field(default_factory=dict)  # what each thread has begun for its message
    _put: dict[Thread, int] = field(default_factory=dict)  # the number of each thread's last put
    _looked: dict[Thread, dict[str, tuple[int, bool]]] = field(default_factory=dict)  # and of its last look at a file
    _calls: int = 0

    def violation(self, what: str) -> None:
        """Something that must not happen has happened."""
        self.violations.append(f"at {self.network.scheduler.now:.4f}: {what}")
        self.network.scheduler.say(f"!! {what}")

    # -- the store ---------------------------------------------------------------------------------------------------

    def before_put(self, key: str, data: bytes) -> None:
        """Look at what is written."""
        run_id, _, name = key.partition("/")
        folder = name.partition("/")[0]
        hold = self._mine()
        if hold is not None and hold.hold.lost:
            self.network.note(f"{folder} written without the lease")
        if folder == "chunks":
            self._check_chunk(key, run_id, hold)
        elif name in weights_of(run_id):
            self._check_weights(run_id, name, data, self.compute.scripts[run_id].num_chunks)
        elif folder == "partials":
            self._check_partial(key, run_id, data)
        elif name == "metadata.json":
            self._check_metadata(run_id, json.loads(data))
        elif name in ("stopped.json", "failed.json"):
            self._check_stopped(run_id, name, json.loads(data))

    def after_change(self, key: str) -> None:
        """Look at the store after something was written or removed."""
        run_id, _, name = key.partition("/")
        ended = self._has(run_id, "metadata.json") or self._deleted(run_id)
        what = {"chunks": work_names.INGEST, "state": work_names.AGGREGATE}.get(name.partition("/")[0])
        if what and key in self.store.objects:
            self._advanced(run_id, what)
        if name == "metadata.json" and key not in self.store.objects and run_id not in self._said_deleted:
            if not self._numbers(run_id, "retry/"):
                self.violation(f"{key} was removed")
            self._furthest[run_id] = max(self._numbers(run_id, "before-failures/"), default=0)
            self._twice_saved[run_id] = 0
        if name.startswith("state/"):
            *_, before, cursor = [0, 0, *self._numbers(run_id, "state/")]
            cursor = max([cursor, *self._numbers(run_id, "before-failures/")])
            damaged = self.compute.happened.state_damaged.get(run_id) == key and key not in self.store.objects
            if cursor < self._furthest[run_id] and not ended and not damaged:
                self.violation(f"the furthest state went back from {self._furthest[run_id]} to {cursor}")
            self._furthest[run_id] = cursor if damaged else max(cursor, self._furthest[run_id])
            self._twice_saved[run_id] = max(before, self._twice_saved[run_id])
        if name.startswith("chunks/") and key not in self.store.objects:
            if int(name[-6:]) >= self._twice_saved[run_id] and not ended:
                self.violation(f"{key} was removed before it was merged and saved in two states")
        elif name.startswith("chunks/"):
            waiting = [n for n in self._numbers(run_id, "chunks/") if n >= self._furthest[run_id]]
            again = self.plan.max_waiting_chunks if run_id in self.compute.happened.state_damaged else 0
            if len(waiting) > self.plan.max_waiting_chunks + self.plan.num_ingests + again:
                self.violation(f"{len(waiting)} chunks wait")

    def asked(self, call: str, key: str, found: bool, data: bytes) -> None:
        """A thread asks the store: what it writes must follow from what it has seen."""
        thread = self.network.scheduler._running
        if thread is None:  # a request that lands late
            return
        self._calls += 1
        if call == "look":
            self._looked.setdefault(thread, {})[key] = self._calls, found
            return
        run_id, _, name = key.partition("/")
        if name == "metadata.json" and not thread.process.name.startswith("user"):
            looked, found = self._looked.get(thread, {}).get(f"{run_id}/stopped.json", (0, True))
            if found or looked < self._put.get(thread, 0):
                self.violation(f"{key} is written without looking whether the run was stopped")
        if name.startswith("partials/") and data.endswith(b"failed"):
            looked, found = self._looked.get(thread, {}).get(key, (0, True))
            read, _ = self._looked.get(thread, {}).get(key.replace("/partials/", "/chunks/"), (0, True))
            if found or looked < read:
                self.violation(f"{key} says that the chunk failed, without looking whether there is a result")
        self._put[thread] = self._calls

    # -- attempts ----------------------------------------------------------------------------------------------------

    def begun(self, run_id: str, what: str, worker: str) -> None:
        """An attempt begins."""
        attempt = Attempt(run_id, what, worker, self.network.scheduler.now)
        self._attempts.setdefault((run_id, what), []).append(attempt)
        self._trying.setdefault(self.network.scheduler.running, []).append(attempt)

    def excused(self) -> None:
        """What the running thread tries led to nothing through nobody's failure."""
        for attempt in self._trying.get(self.network.scheduler.running, []):
            attempt.excused = True

    def failed(self, run_id: str, what: str) -> None:
        """An attempt of the running thread has failed: what happens from now on excuses it no more."""
        self._counts(run_id, what)

    def not_taken_back(self, run_id: str, what: str) -> None:
        """That an attempt was nobody's failure could not be said, so that it counts as lost with its worker."""
        for attempt in self._counts(run_id, what):
            attempt.excused = False

    def _counts(self, run_id: str, what: str) -> list[Attempt]:
        """The running thread's attempts at something, which nothing excuses from now on."""
        mine = self._trying.get(self.network.scheduler.running, [])
        counting = [attempt for attempt in mine if (attempt.run_id, attempt.what) == (run_id, what)]
        self._trying[self.network.scheduler.running] = [attempt for attempt in mine if attempt not in counting]
        return counting

    def _advanced(self, run_id: str, what: str) -> None:
        """Some of a result is there: what was tried before counts no more, but for what is being tried."""
        thread = self.network.scheduler._running
        if thread is None:  # a request that lands late
            return
        mine = self._trying.get(thread, [])
        attempts = self._attempts.get((run_id, what), [])
        # at the first part it can die before it has said so
        if any(attempt.advanced for attempt in attempts if attempt in mine):
            attempts[:] = [attempt for attempt in attempts if attempt in mine]
        for attempt in mine:
            attempt.advanced |= (attempt.run_id, attempt.what) == (run_id, what)

    def over(self) -> None:
        """The running thread is done with its message."""
        self._trying.pop(self.network.scheduler.running, None)

    def given_up(self, run_id: str, chunk: int, error: str) -> None:
        """A chunk is to be marked failed: after enough attempts, by all who could try it where there are several."""
        if why := self._too_early_at(run_id, work_names.encoding(chunk)):
            self._too_early[f"{run_id}/partials/{chunk:06d}"] = f"{why}: {error}"

    def _too_early_at(self, run_id: str, what: str) -> str | None:
        """Why there ought to be another attempt at something; None if there need not be."""
        attempts = [attempt for attempt in self._attempts.get((run_id, what), []) if not attempt.excused]
        if len(attempts) < self.plan.chunk_attempts:
            return f"after {len(attempts)} attempts"
        if len(attempts) >= HOPELESS * self.plan.chunk_attempts:
            return None
        service = {work_names.INGEST: "ingest", work_names.AGGREGATE: "aggregator"}.get(what, "encoder")
        tried, now = {attempt.worker for attempt in attempts}, self.network.scheduler.now
        unfit = self.workers.unfit(run_id)
        able = {
            name
            for name, process in self.workers.processes.items()
            if name.startswith(service) and name not in unfit and not process.dead and process.started_at < now - 15
        }
        if len(tried) < self.plan.chunk_attempts and able - tried:
            return f"though only {sorted(tried)} have tried it, and {sorted(able - tried)} could"
        return None

    # -- the end -----------------------------------------------------------------------------------------------------

    def settled(self) -> bool:
        """Whether every run has come to its end, but for cleaning up."""
        return all(self._settled(script) for script in self.compute.scripts.values())

    def _settled(self, script: Script) -> bool:
        if script.fate == "delete":
            return not self.store.below(f"{script.name}/")
        if self._has(script.name, "metadata.json"):
            failed = json.loads(self.store.objects[f"{script.name}/metadata.json"])["failed_chunks"]
            return not (failed and script.tries_again and script.fate in (None, "resume"))
        status = self._stopped(script.name)
        if status == "cancelled":
            return script.fate == "cancel"
        return status == "failed" and (script.fate == "cancel" or not self.may_go_on(script))

    def may_go_on(self, script: Script) -> bool:
        """Whether it makes sense to resume a run that failed."""
        for_good = script.num_chunks == 0 or ALWAYS in (
            script.source_fails,
            script.models_fail,
            script.reading_breaks,
            script.merging_breaks,
        )
        happened = self.compute.happened
        for_good = for_good or (self._kind_of(script.name) is not None and self.only_others(script.name))
        return not for_good and script.name not in (
            happened.source_changed | happened.rows_damaged | happened.nothing_to_publish
        )

    def final(self) -> None:
        """Look at what is left when everything has been quiet for long."""
        for script in self.compute.scripts.values():
            self._final(script)
        self.violations += self.compute.happened.mixed_up
        if "no run of ours/file" not in self.store.objects:
            self.violation("somebody else's file was removed")

    def _final(self, script: Script) -> None:
        run_id = script.name
        left = {key: self.store.objects[key] for key in self.store.below(f"{run_id}/")}
        if script.fate == "delete":
            if left:
                self.violation(f"of the deleted {run_id} are left {sorted(left)}")
            self.network.note("end: deleted")
        elif f"{run_id}/metadata.json" in left:
            metadata = json.loads(left.pop(f"{run_id}/metadata.json"))
            failed = {chunk["chunk"] for chunk in metadata["failed_chunks"]}
            expected = self._published(script, failed)
            kept = [self.compute.kept(run_id, script.num_chunks, failed, mark) for mark in (ROWS, OTHER_ROWS)]
            expected |= kept[kept[1].items() <= left.items()]  # whichever were there when it was read
            if left != expected:
                differing = sorted(key for key in left.keys() | expected.keys() if left.get(key) != expected.get(key))
                self.violation(f"{run_id} is {metadata['status']} with {failed}, but these are wrong: {differing}")
            self.network.note(f"end: {metadata['status']}")
        elif not self._settled(script):
            self.violation(f"{run_id} did not end; there are {sorted(left)}")
        else:
            self.network.note(f"end: {self._stopped(run_id)}")

    # -- details -----------------------------------------------------------------------------------------------------

    def _check_chunk(self, key: str, run_id: str, hold: Held | None) -> None:
        if hold is None or not self.leases.has(hold):
            self._strange.add(key)  # late, or by one that doesn't know it has lost the lease
        elif int(key[-6:]) < self._furthest[run_id] and key not in self._strange:
            self.violation(f"{key} was written again, though it is merged")

    def _check_partial(self, key: str, run_id: str, data: bytes) -> None:
        if data.endswith(b"encoded"):
            self._attempts.pop((run_id, work_names.encoding(int(key[-6:]))), None)
        elif data.endswith(b"failed") and int(key[-6:]) >= self._furthest[run_id] and key in self._too_early:
            self.violation(f"{key} is given up, {self._too_early[key]}")

    def _check_weights(self, run_id: str, name: str, data: bytes, turn: int) -> None:
        if data != NO_WEIGHTS:
            self._attempts.pop((run_id, work_names.encoding(turn)), None)
        elif why := self._too_early.get(f"{run_id}/partials/{turn:06d}"):
            self.violation(f"{name} of {run_id} is given up, {why}")

    def _published(self, script: Script, failed: set[int]) -> dict[str, bytes]:
        given_up = (script.name, script.num_chunks) in self.compute.happened.given_up
        none = {f"{script.name}/{name}": NO_WEIGHTS for name in weights_of(script.name) if given_up}
        return published(script.name, script.num_chunks, failed) | dict(none.items() & self.store.objects.items())

    def _check_metadata(self, run_id: str, metadata: dict[str, Any]) -> None:
        script = self.compute.scripts[run_id]
        failed = {chunk["chunk"] for chunk in metadata["failed_chunks"]}
        if metadata["status"] != ("completed_with_errors" if failed else "complete"):
            self.violation(f"{run_id} is {metadata['status']}, and failed are {failed}")
        for chunk in failed:
            if (run_id, chunk) not in self.compute.happened.given_up:
                self.violation(f"chunk {chunk} of {run_id} is said to have failed")
        if self._deleted(run_id):
            return
        for name, content in self._published(script, failed).items():
            if self.store.objects.get(name) != content:
                self.violation(f"metadata.json is written, and {name} is {self.store.objects.get(name)!r}")

    def _check_stopped(self, run_id: str, name: str, stopped: dict[str, Any]) -> None:
        if name == "stopped.json" and self._deleted(run_id) and stopped["status"] != "deleted":
            self.violation(f"{run_id} was deleted, and that is undone")
        if stopped["status"] == "deleted":
            self._said_deleted.add(run_id)
        happened, limit, script = self.compute.happened, self.plan.chunk_attempts, self.compute.scripts[run_id]
        reasons = (
            happened.source_failures[run_id] or happened.read_breaks[run_id] >= limit,
            happened.merge_breaks[run_id] >= limit,
            any(self._too_early_at(run_id, work_names.loading(chunk)) is None for chunk in range(script.num_chunks)),
            self._too_early_at(run_id, work_names.INGEST) is None,
            self._too_early_at(run_id, work_names.AGGREGATE) is None,
            self.only_others(run_id),
            happened.partials_damaged[run_id] >= limit,
            run_id in happened.nothing_to_publish,
            run_id in happened.rows_damaged,
        )
        if stopped["status"] == "failed" and not any(reasons):
            self.violation(f"{run_id} failed for no reason: {stopped['error']}")

    def _mine(self) -> Held | None:
        running = self.network.scheduler._running
        holds = self.leases.current.get(running) if running is not None else None
        return holds[-1] if holds else None

    def only_others(self, run_id: str) -> bool:
        """Whether all encoders that are alive have another kind of processor than a run."""
        kinds = {process.kind for name, process in self.workers.processes.items() if name.startswith("encoder-")}
        return bool(kinds) and self._kind_of(run_id) not in kinds

    def _kind_of(self, run_id: str) -> str | None:
        """The kind of processor with which a run was begun; None if it wasn't."""
        plan = self.store.objects.get(f"{run_id}/plan.json")
        return None if plan is None else str(json.loads(plan)["versions"]["kind"])

    def _has(self, run_id: str, name: str) -> bool:
        return f"{run_id}/{name}" in self.store.objects

    def _stopped(self, run_id: str) -> str | None:
        for name in ("stopped.json", "failed.json"):
            if data := self.store.objects.get(f"{run_id}/{name}"):
                return str(json.loads(data)["status"])
        return None

    def _deleted(self, run_id: str) -> bool:
        return self._stopped(run_id) == "deleted"

    def _numbers(self, run_id: str, folder: str) -> list[int]:
        return [int(key[-6:]) for key in self.store.below(f"{run_id}/{folder}")]
