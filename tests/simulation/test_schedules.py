"""10,000 schedules of crashes, losses and delays: every run ends as it should, and what must never happen doesn't.

The services' own code (the work of ingest, encoders, aggregator and watch, what users do, leases and attempts) runs
on a simulated store, Redis, network and clock. At every call the seed decides whether others go on first, and whether
the process crashes (before or after the call took effect), is frozen for longer than a lease lasts, gets no answer
(with or without effect, or with an effect that comes later), or waits. Messages are lost, duplicated, delayed and
reordered; Redis is wiped, Redis or the store are down, the disk is full; processes are told to stop; sources and
tokenizers are replaced, or can't be read; models can't be loaded; reading, encoding and merging raise whatever there
is, hang, or kill their worker; an encoder fails at everything, or has another kind of processor; partials, states and
rows are damaged, cutoffs are a stale aggregator's; users cancel, resume, delete, and have failed chunks tried again.
After a minute of virtual time nothing goes wrong any more but what is wrong for good.

What is checked at every change of the store, and at the end, is listed in docs/architecture.md.

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

from services.aggregator import merge_and_publish as aggregator
from services.aggregator import reconcile_loop
from services.common import attempt_rule, run_control
from services.common.redis import attempts, leases
from services.encoder import encode_chunks as encoder
from services.encoder import fair_turns
from services.ingest import read_source as ingest
from tests.simulation.schedule import play

SCHEDULES = 10_000
PROCESSES = 2
# Not reached here: what only real processes use, and what takes many thousands of schedules.
UNREACHED = (
    "Aggregator._read",
    "_check_can_go_on",
    "_check_rows",
    "RedisLeases.at",
    "RedisLeases.close",
    "Turns.took",
    "_of_use",
)

# Troubles and ways out, and how often each must have happened in 10,000 schedules, or they would show little.
LEAST: dict[str, int] = {
    "aggregate broken off: unavailable": 200,
    "aggregate lease held by another": 2_000,
    "aggregate lease lost and noticed": 20,
    "aggregate requeued by the reconcile loop": 2_000,
    "aggregate taken over": 2_000,
    "aggregator told to stop": 20,
    "broken encoder raises": 300,
    "chunk given up": 400,
    "chunks written without the lease": 80,
    "computing lacks something": 10,
    "computing takes very long": 2_000,
    "crash after": 2_000,
    "crash before": 2_000,
    "damaged partial found": 90,
    "damaged state found": 10,
    "delay": 5_000,
    "disk full": 1_000,
    "encode broken off: unavailable": 1_000,
    "encode lease held by another": 300,
    "encode lease lost and noticed": 200,
    "encode requeued by the reconcile loop": 4_000,
    "encode taken over": 4_000,
    "encoder of another kind": 300,
    "encoder told to stop": 50,
    "encoding hangs": 200,
    "encoding raises": 700,
    "end: cancelled": 200,
    "end: complete": 1_000,
    "end: completed_with_errors": 200,
    "end: deleted": 1_000,
    "end: failed": 600,
    "example left out": 900,
    "fail after": 4_000,
    "fail before": 4_000,
    "failed attempt": 3_000,
    "freeze after": 1_000,
    "freeze before": 1_000,
    "fresh start: after this error nothing that this process computes can be trusted": 300,
    "fresh start: the next attempt is this worker's too, as no other is alive": 400,
    "fresh start: two different chunks failed one after the other": 40,
    "ingest broken off: unavailable": 3_000,
    "ingest lease held by another": 2_000,
    "ingest lease lost and noticed": 600,
    "ingest requeued by the reconcile loop": 5_000,
    "ingest taken over": 2_000,
    "ingest told to stop": 100,
    "land late": 4_000,
    "cutoffs of an aggregator that knows of no failures": 20,
    "cutoffs of earlier chunks known": 4_000,
    "merging breaks": 100,
    "message delayed": 2_000,
    "message delivered again though done": 500,
    "message duplicated": 2_000,
    "message lost": 1_000,
    "message of a dead worker delivered again": 1_000,
    "models can't be loaded": 500,
    "other rows found": 20,
    "partial cut by cutoffs of other chunks": 4,
    "partial stored damaged": 100,
    "partials written without the lease": 100,
    "plan.json written without the lease": 60,
    "poison chunk": 400,
    "prompts written without the lease": 100,
    "put on a full disk": 700,
    "reading breaks": 200,
    "reading.json written without the lease": 70,
    "redis called while down": 4_000,
    "redis down": 1_000,
    "redis wiped": 1_000,
    "rows of another tokenizer found": 10,
    "rows stored damaged": 20,
    "source can't be read": 300,
    "state stored damaged": 80,
    "store called while down": 3_000,
    "store down": 1_000,
    "user: cancel": 2_000,
    "user: delete": 1_000,
    "user: resume": 1_000,
    "user: try again": 100,
    "vocabulary.json written without the lease": 80,
    "work that hangs is ended": 200,
}
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
    rare = {name: played.tally[name] for name, least in LEAST.items() if played.tally[name] < least}
    assert rare == {}


def test_the_same_seed_is_the_same_schedule_in_every_process() -> None:
    def trace(hash_seed: str) -> str:
        command = [sys.executable, "-m", "tests.simulation", "--seed", "7", "--count", "3", "--trace"]
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    first = trace("1")
    assert first.count("\n") > 500
    assert trace("2") == first


def test_every_line_of_the_work_is_reached() -> None:
    modules = (ingest, encoder, aggregator, reconcile_loop, attempt_rule, leases, attempts, run_control, fair_turns)
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
