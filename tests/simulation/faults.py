"""What goes wrong in a schedule: drawn from its seed, from hardly anything to nearly everything at once.

This file decides; how each fault is done is in world.py and compute.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from random import Random
from typing import Literal, TypeVar

REAP_EVERY_S = 3.0
FAULTS_END_S = 60.0  # after that nothing goes wrong any more
STALL_S = 120.0
MAX_FREEZE_S = 40.0  # less than the reconcile loop waits before it believes that nobody is at a run any more
Kind = TypeVar("Kind")
NUM_RUNS = 15 * (1, 1, 2) + (8,)
PATIENCE_S = 150.0  # more than a stall takes
OTHER_KIND_S = 100.0  # longer than a word that a worker is unfit lasts
Action = Literal["cancel", "resume", "delete"]
CallFault = Literal[
    "crash before", "crash after", "fail before", "fail after", "land late", "freeze before", "freeze after", "delay"
]
# per call of a store, a queue or leases
CALL_FAULTS: dict[CallFault, float] = {
    "crash before": 0.004,
    "crash after": 0.004,
    "fail before": 0.006,
    "fail after": 0.006,
    "land late": 0.006,
    "freeze before": 0.003,
    "freeze after": 0.003,
    "delay": 0.01,
}
MESSAGE_FAULTS = {"lost": 0.1, "duplicated": 0.2, "delayed": 0.2}
EPISODES = ("redis wiped", "redis down", "store down", "disk full")


@dataclass
class Script:
    """A run: its size, what is wrong with it, and what its user does."""

    name: str
    num_chunks: int
    start_s: float
    actions: list[tuple[float, int, Action]]  # each so many seconds, and so many calls, after the one before
    source_fails: int  # so many times
    source_fails_at: int  # before it gives this chunk
    source_changes_s: float  # when it does, if it does
    source_changes: Literal["size", "rows", "tokenizer"]  # what of it
    models_fail: int
    raising: dict[int, int]  # the chunks (and what comes after them) whose encoding raises, and how many times
    poison: set[int]  # the chunks that crash the worker
    hanging: dict[int, int]  # the chunks whose encoding hangs, and how many times
    reading_breaks: int  # so many times reading raises what nobody expects
    merging_breaks: int  # and merging
    tries_again: bool  # whether the user has failed chunks tried again
    damage: float  # probability that a partial is stored damaged
    damage_rows: float  # probability that a chunk's rows are
    stale_cutoffs: float  # probability that cutoffs are replaced by those of an aggregator that knows of no failures
    damage_states: float  # probability that a state is, but of each run only one
    slow: float  # how many times slower than usual everything is computed
    stalls: float  # probability that computing something takes very long, with the lease renewed

    @property
    def fate(self) -> Action | None:
        """What the user did last."""
        return self.actions[-1][2] if self.actions else None


@dataclass
class Plan:
    """Everything that is decided before a schedule begins."""

    calls: dict[CallFault, float]
    messages: dict[str, float]
    episodes: list[tuple[float, str, float]]  # begin, what, how many seconds
    scripts: list[Script]
    num_encoders: int
    broken: set[str]  # encoders that fail at every chunk
    kinds: int  # of processors that encoders may have
    stopping: float  # probability, each time that somebody looks, that a process is told to stop
    num_aggregators: int
    num_ingests: int
    max_waiting_chunks: int
    chunk_attempts: int
    save_every_s: float
    latency_s: float  # of a call, at most


ALWAYS = 10**9


def draw_plan(random: Random) -> Plan:
    """A schedule's plan."""
    strength = random.choice((0.0, 0.3, 1.0, 1.0, 2.0))

    def chosen(rates: dict[Kind, float], most: float) -> dict[Kind, float]:
        # Each schedule has some kinds of faults and lacks others, so that none always hides behind another.
        return {kind: min(most, rate * strength * random.choice((0, 1, 1, 3))) for kind, rate in rates.items()}

    episodes = [
        (random.uniform(0, FAULTS_END_S - 15), kind, random.uniform(1, 15))
        for kind in EPISODES
        for _ in range(random.choice((0, 0, 1, 2)))
        if strength
    ]
    num_encoders = random.randint(1, 3)
    broken = num_encoders > 1 and random.random() < 0.15
    return Plan(
        calls=chosen(CALL_FAULTS, 0.02),
        messages=chosen(MESSAGE_FAULTS, 0.4),
        episodes=sorted(episodes),
        scripts=[_draw_script(random, f"run-{number}") for number in range(random.choice(NUM_RUNS))],
        num_encoders=num_encoders,
        broken={f"encoder-{random.randrange(num_encoders)}"} if broken else set(),
        kinds=random.choice((1, 1, 1, 1, 2)),
        stopping=random.choice((0.0, 0.0, 0.005, 0.02)),
        num_aggregators=random.randint(1, 2),
        num_ingests=random.randint(1, 2),
        max_waiting_chunks=random.randint(1, 4),
        chunk_attempts=random.choice((2, 3, 3)),
        save_every_s=random.choice((0.5, 5.0, 30.0)),
        latency_s=random.choice((0.03, 0.1, 0.3, 1.0)),
    )


def _draw_script(random: Random, name: str) -> Script:
    num_chunks = random.choice((0, 1, 2, 3, 4, 6, 8))
    chunks = range(num_chunks + 1)  # the last one stands for what comes after all chunks

    def rarely(often: float) -> bool:
        return random.random() < often

    return Script(
        name=name,
        num_chunks=num_chunks,
        start_s=random.uniform(0, 5),
        actions=_draw_actions(random),
        source_fails=random.choice((1, 2, ALWAYS)) if rarely(0.1) else 0,
        source_fails_at=random.randint(0, num_chunks),
        source_changes_s=random.uniform(0, random.choice((10, FAULTS_END_S))) if rarely(0.15) else inf,
        source_changes=random.choice(("size", "rows", "rows", "rows", "tokenizer")),
        models_fail=random.choice((1, 2, 3, ALWAYS)) if rarely(0.1) else 0,
        raising={chunk: random.choice((1, 2, ALWAYS)) for chunk in chunks if rarely(0.05)},
        poison={chunk for chunk in chunks if rarely(0.02)},
        hanging={chunk: random.choice((1, 1, ALWAYS)) for chunk in chunks if rarely(0.02)},
        reading_breaks=random.choice((1, 2, ALWAYS)) if rarely(0.05) else 0,
        merging_breaks=random.choice((1, 2, ALWAYS)) if rarely(0.05) else 0,
        tries_again=rarely(0.5),
        damage=random.choice((0.1, 0.3, 1.0)) if rarely(0.1) else 0.0,
        damage_rows=0.2 if rarely(0.03) else 0.0,
        stale_cutoffs=random.choice((0.0, 1.0)),
        damage_states=random.choice((0.2, 1.0)) if rarely(0.2) else 0.0,
        slow=random.choice((0.1, 1.0, 1.0, 5.0)),
        stalls=0.2 if rarely(0.25) else 0.0,
    )


def _draw_actions(random: Random) -> list[tuple[float, int, Action]]:
    """What a user does; mostly while much is going on, which is why calls are counted too."""
    choices: list[list[Action]] = [
        [],
        ["cancel", "resume"],
        ["cancel", "resume", "cancel", "resume"],
        ["cancel"],
        ["delete"],
        ["cancel", "delete"],
    ]
    return [
        (random.choice((0, random.uniform(0, 25))), random.randrange(100), kind)
        for kind in random.choices(choices, (5, 1, 1, 1, 2, 1))[0]
    ]
