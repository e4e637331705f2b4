"""Many schedules, played in several processes, and what they must have met."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from tests.simulation.schedule import play

SCHEDULES = 10_000  # that make the numbers below, and in which each mistake is to be found
# Troubles and ways out, and how often each must have happened in so many schedules, or they would show little.
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
    "weights computed": 3_000,
    "weights given up": 100,
    "work that hangs is ended": 200,
}


@dataclass
class Played:
    """What many schedules showed."""

    tally: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


def play_all(seeds: range, processes: int) -> Played:
    """Play these schedules."""
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        parts = list(pool.map(_play_some, [seeds[first::processes] for first in range(processes)]))
    return Played(sum((part.tally for part in parts), Counter()), [line for part in parts for line in part.violations])


def _play_some(seeds: range) -> Played:
    played = Played()
    for seed in seeds:
        outcome = play(seed)
        played.tally += outcome.tally
        if outcome.violations:
            again = f"replay it with: python -m tests.simulation --seed {seed} --trace"
            played.violations.append("\n".join([f"seed {seed}", *outcome.violations, again]))
    return played


def lacking(tally: Counter[str], schedules: int) -> dict[str, int]:
    """The troubles and ways out that occurred too rarely in so many schedules, with how often they did."""
    return {name: tally[name] for name, least in LEAST.items() if tally[name] < least * schedules // SCHEDULES}
