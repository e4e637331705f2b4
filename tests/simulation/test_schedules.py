"""10,000 schedules of crashes, losses and delays: every run ends as it should, and what must never happen doesn't.

The services' own work functions (ingest, encode, Aggregator, Watch) run on a simulated store, queue, leases and clock.
At every call the seed decides whether others go on first, and whether the process crashes (before or after the call
took effect), is frozen for longer than a lease lasts, gets no answer (with or without effect, or with an effect that
comes later), or waits. Messages are lost, duplicated, delayed and reordered; Redis is wiped, Redis or the store are
down, the disk is full; sources can't be read, models can't be loaded, chunks raise or kill their worker, partials are
or a state damaged; users cancel, resume and delete. After a minute of virtual time nothing goes wrong any more.

Invariants, checked at every change of the store:

1. metadata.json is written only when every file it speaks of is there with the right bytes, and is never removed but
   from a deleted run.
2. The furthest state never moves back, unless it is damaged.
3. A chunk's rows are removed only when two states that hold the chunk are saved; a merged chunk isn't written again.
4. At most max_waiting_chunks chunks wait, and one more for each ingest process; the queues are bounded likewise.
5. A chunk is marked failed only after chunk_attempts attempts from which it did not come back encoded.
6. A run fails only if its source can't be read, its models can't be loaded, a chunk's partial is damaged again and
   again, or none of its chunks could be encoded.
7. What is merged is the run's own next chunk: no chunk twice, none left out, none of another run.
8. That a run is deleted is never undone. Work raises nothing but UnavailableError.

At the end, within a bounded time after the last fault, whatever was lost with Redis:

9. Every run is finished, or it failed, was cancelled or deleted for a reason of 6 or by its user.
10. A finished run's files are exactly those of an undisturbed run, where failed chunks are missing and metadata.json
    names them; nothing of the machinery is left.
11. Of a deleted run nothing is left.

A failing seed is played again by `python -m tests.simulation --seed N --trace`.
"""

from __future__ import annotations

import dis
import inspect
import multiprocessing
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from linecache import getline
from types import CodeType, FrameType, ModuleType
from typing import Any

import pytest

from services.aggregator import watch
from services.aggregator import work as aggregator
from services.common import attempts, control, leases, trying
from services.encoder import turns
from services.encoder import work as encoder
from services.ingest import work as ingest
from tests.simulation.schedule import play

SCHEDULES = 10_000
PROCESSES = 2
# Not reached here: what nobody asks for, and what takes tens of thousands of schedules.
UNREACHED = (
    "_never",
    "_StoreWhileHeld.create",
    "_StoreWhileHeld.size",
    "_StoreWhileHeld.folders",
    "_StoreWhileHeld.list",
    "_StoreWhileHeld.delete",
    "Aggregator._read",
    "_check_can_go_on",
)

# Everything that must have happened in 10,000 schedules, or they would show little.
TROUBLE = (
    *("crash before", "crash after", "freeze before", "freeze after", "fail before", "fail after", "land late"),
    *("delay", "message lost", "message duplicated", "message delayed", "message delivered again though done"),
    *("message of a dead worker delivered again", "redis wiped", "redis down", "redis called while down"),
    *("store down", "store called while down", "disk full", "put on a full disk", "computing takes very long"),
    *("computing lacks something", "source can't be read", "models can't be loaded", "encoding raises"),
    *("poison chunk", "partial stored damaged", "state stored damaged"),
    *("user: cancel", "user: resume", "user: delete", "ingest told to stop"),
)
BRANCHES = (
    *("ingest broken off: unavailable", "encode broken off: unavailable", "aggregate broken off: unavailable"),
    *("ingest lease held by another", "encode lease held by another", "aggregate lease held by another"),
    *("ingest lease lost and noticed", "encode lease lost and noticed", "aggregate lease lost and noticed"),
    *("ingest taken over", "encode taken over", "aggregate taken over"),
    *("ingest sent again by the watch", "encode sent again by the watch", "aggregate sent again by the watch"),
    *("chunks written without the lease", "partials written without the lease", "prompts written without the lease"),
    *("state written without the lease", "plan.json written without the lease"),
    *(
        "damaged state found",
        "damaged partial found",
        "chunk given up",
        "limits of earlier chunks known",
        "example left out",
    ),
    *("end: complete", "end: completed_with_errors", "end: failed", "end: cancelled", "end: deleted"),
)
UNREACHABLE = "its source is not described"  # a sentence for those who tamper with the store


@dataclass
class Played:
    """What many schedules showed."""

    tally: Counter[str]
    violations: list[str]


def play_some(seeds: range) -> Played:
    """Play these schedules."""
    played = Played(Counter(), [])
    for seed in seeds:
        outcome = play(seed)
        played.tally += outcome.tally
        if outcome.violations:
            again = f"replay it with: python -m tests.simulation --seed {seed} --trace"
            played.violations.append("\n".join([f"seed {seed}", *outcome.violations, again]))
    return played


@pytest.fixture(scope="module")
def played() -> Played:
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        parts = list(pool.map(play_some, [range(first, SCHEDULES, PROCESSES) for first in range(PROCESSES)]))
    return Played(sum((part.tally for part in parts), Counter()), [line for part in parts for line in part.violations])


def test_every_schedule_ends_well_and_violates_nothing(played: Played) -> None:
    assert not played.violations, "\n\n".join(played.violations[:5])


def test_the_schedules_met_every_trouble_and_every_way_out(played: Played) -> None:
    for name, count in sorted(played.tally.items()):
        print(f"{count:8,} {name}")
    assert [name for name in (*TROUBLE, *BRANCHES) if played.tally[name] == 0] == []


def test_the_same_seed_is_the_same_schedule_in_every_process() -> None:
    def trace(hash_seed: str) -> str:
        command = [sys.executable, "-m", "tests.simulation", "--seed", "7", "--count", "3", "--trace"]
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    first = trace("1")
    assert first.count("\n") > 500
    assert trace("2") == first


def test_every_line_of_the_work_is_reached() -> None:
    modules = (ingest, encoder, aggregator, watch, trying, leases, attempts, control, turns)
    missing = {body: lines(body) for module in modules for body in bodies(module)}

    def look(frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        left = missing.get(frame.f_code)
        if not left:  # not looked for, or all reached: tracing is slow
            return None
        left.discard(frame.f_lineno)
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        for seed in range(SCHEDULES):
            play(seed)
            if not any(missing.values()):
                break
    finally:
        sys.settrace(before)
    assert {body.co_qualname: sorted(left) for body, left in missing.items() if left} == {}


def bodies(module: ModuleType) -> Iterator[CodeType]:
    """The bodies of a module's functions and methods, but for protocols, which have none."""
    for value in vars(module).values():
        if getattr(value, "__module__", None) != module.__name__ or getattr(value, "_is_protocol", False):
            continue
        for member in vars(value).values() if isinstance(value, type) else [value]:
            function = member.fget if isinstance(member, property) else inspect.unwrap(member)
            body = getattr(function, "__code__", None)
            if body is not None and body.co_filename == module.__file__ and body.co_qualname not in UNREACHED:
                yield body
                yield from (inner for inner in body.co_consts if isinstance(inner, CodeType))


def lines(body: CodeType) -> set[int]:
    """The lines of a function's body that do something."""
    return {
        line
        for _, line in dis.findlinestarts(body)
        if line is not None and line != body.co_firstlineno and UNREACHABLE not in getline(body.co_filename, line)
    }
