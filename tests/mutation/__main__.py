"""`python -m tests.mutation WORK`: try mutants, and go on where an earlier call with the same folder stopped."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from tests.mutation import reach
from tests.mutation.drawing import Mutant, draw
from tests.mutation.trials import Bounds, copy_tree, try_mutant

ROOT = Path(__file__).parents[2]
# What runs without a browser.
TESTS = ("tests/unit", "tests/simulation", "tests/integration")


def main() -> int:
    """Do what the flags say; 1 if a mutant is caught by the first of two suites only."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description="see which mistakes the tests catch")
    parser.add_argument(
        "work", type=Path, nargs="?", help="the folder for copies of the tree and for what was measured"
    )
    parser.add_argument("--count", type=int, default=80, help="how many mutants (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="which mutants (default: %(default)s)")
    parser.add_argument("--tests", nargs="+", default=TESTS, help="folders of tests (default: all but the browser's)")
    parser.add_argument(
        "--tests-s", type=float, default=120, help="seconds of tests for a mutant (default: %(default)s)"
    )
    parser.add_argument("--wall-s", type=float, default=600, help="seconds until it is ended (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="how many mutants at a time (default: %(default)s)")
    parser.add_argument("--results", type=Path, help="the file for the results")
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("BEFORE", "AFTER"), help="two files of results")
    flags = parser.parse_args()
    if flags.compare:
        return compare(*map(read_results, flags.compare))
    if flags.work is None:
        parser.error("name a work folder, or two results with --compare")
    measured = [measure(flags.work.absolute(), tests) for tests in flags.tests]
    try_all(flags.work.absolute(), draw(ROOT, flags.count, flags.seed), reach.read(measured), flags)
    return 0


def measure(work: Path, tests: str) -> Path:
    """The folder of what these tests reach, which is measured unless it was before."""
    folder = work / "reach" / tests.replace("/", "-")
    if not (folder / "tests.json").exists():
        tree = work / "trees" / "measured"
        copy_tree(ROOT, tree)
        reach.measure(tree, folder, [tests])
    return folder


def try_all(work: Path, mutants: list[Mutant], reached: reach.Reach, flags: argparse.Namespace) -> None:
    """Try the mutants that have no result yet, and write the results when all have one."""
    kept = work / "trials.jsonl"
    lines = kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []
    results: dict[str, Any] = {identity_of(result): result for result in map(json.loads, lines)}
    trees: SimpleQueue[Path] = SimpleQueue()
    for number in range(flags.workers):
        copy_tree(ROOT, work / "trees" / str(number))
        trees.put(work / "trees" / str(number))

    def attempt(mutant: Mutant) -> None:
        tree = trees.get()
        trial = try_mutant(tree, mutant, reached, Bounds(flags.tests_s, flags.wall_s))
        trees.put(tree)
        seen = {name: value for name, value in asdict(mutant).items() if name not in ("occurrence", "lines")}
        results[mutant.identity] = result = seen | asdict(trial)
        with kept.open("a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
        print(f"{len(results)}/{len(mutants)} {trial.outcome} {trial.by}: {mutant.identity}", flush=True)

    with ThreadPoolExecutor(flags.workers) as pool:
        list(pool.map(attempt, [mutant for mutant in mutants if mutant.identity not in results]))
    found = [results[mutant.identity] for mutant in mutants]
    print(dict(Counter(result["outcome"] for result in found)))
    if flags.results:
        head = {"seed": flags.seed, "tests": list(flags.tests), "tests_s": flags.tests_s, "wall_s": flags.wall_s}
        flags.results.write_text(json.dumps(head | {"mutants": found}, indent=1) + "\n", encoding="utf-8")


def identity_of(result: dict[str, Any]) -> str:
    """The identity of a result's mutant."""
    names = ("file", "function", "source", "operator", "number")
    return Mutant(**{name: result[name] for name in names}, occurrence=0, lines=()).identity


def read_results(path: Path) -> dict[str, Any]:
    """The results in a file, by their mutants' identities."""
    return {identity_of(result): result for result in json.loads(path.read_text(encoding="utf-8"))["mutants"]}


def compare(before: dict[str, Any], after: dict[str, Any]) -> int:
    """Print which mutants fared otherwise; 1 if one is no longer caught."""
    lost = 0
    for identity in sorted(before.keys() & after.keys()):
        old, new = before[identity]["outcome"], after[identity]["outcome"]
        lost += noticed(old) and not noticed(new)
        if noticed(old) != noticed(new):
            print(f"{old} → {new}: {identity} (by {before[identity]['by'] or after[identity]['by']})")
    only = len(before.keys() ^ after.keys())
    print(f"{len(before.keys() & after.keys())} mutants in both, {lost} no longer caught, {only} in one only")
    return int(lost > 0)


def noticed(outcome: str) -> bool:
    """Whether somebody would see it: a test that never ends is seen as well."""
    return outcome in ("caught", "timed out")


if __name__ == "__main__":
    sys.exit(main())
