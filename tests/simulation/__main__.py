"""`python -m tests.simulation --seed N --trace`: play one schedule again, or many."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.schedule import play

SCHEDULES = 10_000  # in which each mistake is to be found


def main() -> int:
    """Play what the flags say; 1 if something was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="play simulated schedules")
    parser.add_argument("--seed", type=int, default=0, help="the (first) schedule")
    parser.add_argument("--count", type=int, default=1, help="how many schedules")
    parser.add_argument("--trace", action="store_true", help="print everything that happens")
    parser.add_argument("--mutants", nargs="*", metavar="NAME", help="find the first schedule that finds each mistake")
    arguments = parser.parse_args()
    if arguments.mutants is not None:
        return find(arguments.mutants or list(MUTANTS), arguments.seed)
    tally: Counter[str] = Counter()
    bad, begin = 0, time.perf_counter()
    for seed in range(arguments.seed, arguments.seed + arguments.count):
        outcome = play(seed, arguments.trace)
        tally += outcome.tally
        for line in outcome.trace:
            print(line)
        for violation in outcome.violations:
            print(f"seed {seed}: {violation}")
        bad += bool(outcome.violations)
    if not arguments.trace:
        for name, count in sorted(tally.items()):
            print(f"{count:8,} {name}")
    seconds = time.perf_counter() - begin
    print(f"{arguments.count} schedules, {bad} bad, {seconds / arguments.count * 1000:.1f} ms each", file=sys.stderr)
    return 1 if bad else 0


def find(names: list[str], first: int) -> int:
    """Print for each mistake the first schedule that finds it; 1 if one isn't found."""
    status = 0
    for name in names:
        with pytest.MonkeyPatch.context() as patch:
            MUTANTS[name](patch)
            found = next((seed for seed in range(first, first + SCHEDULES) if play(seed).violations), None)
        print(f'    "{name}": {found},', flush=True)
        status |= found is None
    return status


if __name__ == "__main__":
    sys.exit(main())
