"""What must be true of the store at every moment of a schedule, and of every run at its end; see test_schedules.py."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.compute import Compute, published
from tests.simulation.faults import ALWAYS, Plan, Script
from tests.simulation.leases import MemoryHold, MemoryLeases
from tests.simulation.network import Network
from tests.simulation.world import MemoryStore


@dataclass(eq=False)
class Checks:
    """Looks at every change of the store."""

    network: Network
    plan: Plan
    store: MemoryStore
    leases: MemoryLeases
    compute: Compute
    violations: list[str] = field(default_factory=list)
    _furthest: Counter[str] = field(default_factory=Counter)
    _twice_saved: Counter[str] = field(default_factory=Counter)  # the chunks before this one are in two states
    _too_early: dict[str, str] = field(default_factory=dict)  # partials whose chunks had attempts left
    _strange: set[str] = field(default_factory=set)  # chunks that were written by somebody without the lease
    # by a word that a sweep of what was cancelled too late may have removed at the same moment
    _said_deleted: set[str] = field(default_factory=set)
    _attempts: Counter[str] = field(default_factory=Counter)  # by the name of the count: those that were no success

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
        if hold is not None and hold.lost:
            self.network.note(f"{folder} written without the lease")
        if folder == "chunks":
            self._check_chunk(key, run_id, hold)
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
        if name == "metadata.json" and key not in self.store.objects and run_id not in self._said_deleted:
            self.violation(f"{key} was removed")
        if name.startswith("state/"):
            *_, before, cursor = [0, 0, *self._numbers(run_id, "state/")]
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

    # -- leases ------------------------------------------------------------------------------------------------------

    def counted(self, name: str) -> None:
        """An attempt began."""
        self._attempts[name] += 1

    def forgotten(self, prefix: str) -> None:
        """Attempts were forgiven; when a user resumes a run, a worker that is frozen meanwhile still knows of them."""
        mine = self._mine()
        if mine is not None and mine.name.startswith("encode/"):
            self._attempts[prefix] = 0

    def given_up(self, run_id: str, chunk: int, error: str) -> None:
        """A chunk is to be marked failed; this attempt counts only if it failed by itself."""
        attempts = self._attempts[f"{run_id}/{chunk:06d}"] - ("was lost" in error)
        if attempts < self.plan.chunk_attempts:
            self._too_early[f"{run_id}/partials/{chunk:06d}"] = f"after {attempts} attempts: {error}"

    # -- the end -----------------------------------------------------------------------------------------------------

    def settled(self) -> bool:
        """Whether every run has come to its end, but for cleaning up."""
        return all(self._settled(script) for script in self.compute.scripts.values())

    def _settled(self, script: Script) -> bool:
        if script.fate == "delete":
            return not self.store.below(f"{script.name}/")
        if self._has(script.name, "metadata.json"):
            return True
        status = self._stopped(script.name)
        if status == "cancelled":
            return script.fate == "cancel"
        return status == "failed" and (script.fate == "cancel" or not self.may_go_on(script))

    def may_go_on(self, script: Script) -> bool:
        """Whether it makes sense to resume a run that failed."""
        for_good = script.source_fails == ALWAYS or script.models_fail == ALWAYS or script.num_chunks == 0
        happened = self.compute.happened
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
            expected = published(run_id, script.num_chunks, failed)
            if left != expected:
                differing = sorted(key for key in left.keys() | expected.keys() if left.get(key) != expected.get(key))
                self.violation(f"{run_id} is {metadata['status']} with {failed}, but these are wrong: {differing}")
            self.network.note(f"end: {metadata['status']}")
        elif not self._settled(script):
            self.violation(f"{run_id} did not end; there are {sorted(left)}")
        else:
            self.network.note(f"end: {self._stopped(run_id)}")

    # -- details -----------------------------------------------------------------------------------------------------

    def _check_chunk(self, key: str, run_id: str, hold: MemoryHold | None) -> None:
        if hold is None or self.leases.holds.get(hold.name) is not hold or hold.until < self.network.scheduler.now:
            self._strange.add(key)  # late, or by one that doesn't know it has lost the lease
        elif int(key[-6:]) < self._furthest[run_id] and key not in self._strange:
            self.violation(f"{key} was written again, though it is merged")

    def _check_partial(self, key: str, run_id: str, data: bytes) -> None:
        if data.endswith(b"encoded"):
            self._attempts[f"{run_id}/{key[-6:]}"] -= 1
        elif data.endswith(b"failed") and int(key[-6:]) >= self._furthest[run_id] and key in self._too_early:
            self.violation(f"{key} is given up, {self._too_early[key]}")

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
        for name, content in published(run_id, script.num_chunks, failed).items():
            if self.store.objects.get(name) != content:
                self.violation(f"metadata.json is written, and {name} is {self.store.objects.get(name)!r}")

    def _check_stopped(self, run_id: str, name: str, stopped: dict[str, Any]) -> None:
        if name == "stopped.json" and self._deleted(run_id) and stopped["status"] != "deleted":
            self.violation(f"{run_id} was deleted, and that is undone")
        if stopped["status"] == "deleted":
            self._said_deleted.add(run_id)
        happened, limit = self.compute.happened, self.plan.chunk_attempts
        reasons = (
            happened.source_failures[run_id],
            happened.model_failures[run_id] >= limit,
            happened.partials_damaged[run_id] >= limit,
            run_id in happened.nothing_to_publish,
            run_id in happened.rows_damaged,
        )
        if stopped["status"] == "failed" and not any(reasons):
            self.violation(f"{run_id} failed for no reason: {stopped['error']}")

    def _mine(self) -> MemoryHold | None:
        running = self.network.scheduler._running
        holds = self.leases.current.get(running) if running is not None else None
        return holds[-1] if holds else None

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
