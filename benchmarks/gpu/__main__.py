"""Is all of it right on this machine's GPU, how fast is it, and what takes the time? At most eight minutes.

    python -m benchmarks.gpu [--device cpu] [--deadline SECONDS] [--only PART ...] [--quick] [--results FOLDER]

First what must hold (a device's summaries have numpy's bits, precisions are near float64, a run gives the same bytes
again), then the rows of the benchmark, memory, and the profile of one block. Each part is a process with a limit of its
own, and what it finds is written at once to gpu-<device>.json in benchmarks/results, or in the given folder. With
`--device cpu` a CPU stands in for the GPU, with tiny models; what only CUDA has is said to be skipped. docs/gpu.md says
what the machine needs. The exit status is 1 if something does not hold.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import shlex
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.gpu.part_settings import Situation
from benchmarks.gpu.results import GpuResults, Report
from benchmarks.gpu.runner import TELL, Planned, run_all
from benchmarks.report.measurement_records import FOLDER

DEADLINE_S = 480.0
MACHINE = "machine"  # by which the results' file is named, so that it is always done


# In their order, with seconds that each may take. They are imported in their own process only, so that one that can't
# be imported is that part's failure. Reading CUDA's gigabytes from disk for the first time may take a minute.
PARTS: dict[str, tuple[float, str]] = {
    MACHINE: (
        120,
        "benchmarks.gpu.machine:machine",
    ),  # reading CUDA's gigabytes from disk for the first time may take a minute
    "summaries": (60, "benchmarks.gpu.summary_equality:summaries"),
    "agreement": (90, "benchmarks.gpu.precision_agreement:agreement"),
    "tests": (90, "benchmarks.gpu.device_tests:own_tests"),
    "end to end": (120, "benchmarks.gpu.speed:end_to_end"),
    "memory": (60, "benchmarks.gpu.memory:memory"),
    "profile": (45, "benchmarks.gpu.profiling:profile_block"),
    "stages": (90, "benchmarks.gpu.speed:stages"),
}


def _be(part: str, situation: Situation) -> None:
    """Do one part, in this process."""
    faulthandler.register(TELL, all_threads=True)
    function_of(part)(situation)


def function_of(part: str) -> Callable[[Situation], None]:
    """What does a part, imported now."""
    module, _, function = PARTS[part][1].partition(":")
    found: Callable[[Situation], None] = getattr(importlib.import_module(module), function)
    return found


def main() -> int:
    """Do all parts, or be one of them."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: try it without a GPU")
    parser.add_argument("--deadline", type=float, default=DEADLINE_S, metavar="SECONDS", help="for all (default: 480)")
    parser.add_argument(
        "--only", choices=PARTS, nargs="+", default=list(PARTS), metavar="PART", help="these parts, beside machine"
    )
    parser.add_argument("--quick", action="store_true", help="tiny models, to try the command")
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="FOLDER", help="default: benchmarks/results")
    parser.add_argument("--part", help=argparse.SUPPRESS)  # be this part, with a folder and a path for its report
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("report", type=Path, nargs="?", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part is not None:
        _be(args.part, Situation(args.device, args.quick, args.folder, Report(args.report)))
        return 0
    results = GpuResults(
        command=shlex.join(["python", "-m", "benchmarks.gpu", *sys.argv[1:]]),
        measured_on=f"{datetime.now(UTC):%Y-%m-%d}",
        device=args.device,
        deadline_s=args.deadline,
        parts=[],
    )
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.gpu", "--device", args.device, "--folder", folder]
        command += ["--quick"] if args.quick else []
        planned = [
            Planned(name, limit_s, [*command, "--part", name])
            for name, (limit_s, _where) in PARTS.items()
            if name in args.only or name == MACHINE
        ]
        results = run_all(planned, results, args.results)
    return int(not results.holds)


if __name__ == "__main__":
    sys.exit(main())
