"""`python -m tests.simulation --seed N --trace`: play one schedule again, or many."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.simulation.schedule import play


def main() -> int:
    """Play what the flags say; 1 if something was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="play simulated schedules")
    parser.add_argument("--seed", type=int, default=0, help="the (first) schedule")
    parser.add_argument("--count", type=int, default=1, help="how many schedules")
    parser.add_argument("--trace", action="store_true", help="print everything that happens")
    arguments = parser.parse_args()
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


if __name__ == "__main__":
    sys.exit(main())
