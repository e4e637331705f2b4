"""`python -m tests.simulation --seed N --trace`: play one schedule again, or many."""

from __future__ import annotations

import argparse
import sys
import time

import pytest

from tests.simulation.many import SCHEDULES, lacking, play_all
from tests.simulation.mutants import MUTANTS
from tests.simulation.schedule import play


def main() -> int:
    """Play what the flags say; 1 if something was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="play simulated schedules")
    parser.add_argument("--seed", type=int, default=0, help="the (first) schedule")
    parser.add_argument("--count", type=int, default=1, help="how many schedules")
    parser.add_argument("--processes", type=int, default=2, help="in how many processes (default: %(default)s)")
    parser.add_argument("--trace", action="store_true", help="print everything that happens in one")
    parser.add_argument("--mutants", nargs="*", metavar="NAME", help="find the first schedule that finds each mistake")
    arguments = parser.parse_args()
    if arguments.mutants is not None:
        return find(arguments.mutants or list(MUTANTS), arguments.seed)
    if arguments.count == 1:
        return show(arguments.seed, arguments.trace)
    return show_many(range(arguments.seed, arguments.seed + arguments.count), arguments.processes)


def show(seed: int, traced: bool) -> int:
    """Play one schedule; 1 if something was violated."""
    outcome = play(seed, traced)
    for line in [*outcome.trace, *outcome.violations]:
        print(line)
    return 1 if outcome.violations else 0


def show_many(seeds: range, processes: int) -> int:
    """Play many, and print how often what happened; 1 if something was violated or, of 10,000, is too rare."""
    begin = time.perf_counter()
    played = play_all(seeds, processes)
    for name, count in sorted(played.tally.items()):
        print(f"{count:8,} {name}")
    for violation in played.violations:
        print(violation)
    rare = lacking(played.tally, len(seeds)) if len(seeds) >= SCHEDULES else {}
    for name, count in rare.items():
        print(f"too rare: {name}, {count} times")
    seconds = time.perf_counter() - begin
    print(f"{len(seeds)} schedules, {len(played.violations)} bad, {seconds:.0f} s", file=sys.stderr)
    return 1 if played.violations or rare else 0


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
