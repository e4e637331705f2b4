"""See the package. Another process tries the inputs, so that one that hangs or takes too much memory can be ended."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.worker import Worker

INPUTS_OF_A_WORKER = 50_000  # pyarrow keeps a buffer for each damaged file that it stops at
_REPORT_EVERY_S = 30.0


def main() -> int:
    """Fuzz until the time is over or something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=["sources", "endpoints"])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="saescope-fuzz-"))
    ends_at, reported_at = time.monotonic() + 60 * args.minutes, time.monotonic()
    seed, found = args.seed, None
    worker = Worker(args.target, folder, seed)
    while found is None and time.monotonic() < ends_at:
        found = worker.next()
        if found is None:
            seed += 1
            if (seed - args.seed) % INPUTS_OF_A_WORKER == 0:
                worker.end()
                worker = Worker(args.target, folder, seed)
        if time.monotonic() - reported_at > _REPORT_EVERY_S:
            reported_at = time.monotonic()
            print(f"{seed - args.seed:,} inputs, largest memory {worker.memory >> 20} MiB", flush=True)
    worker.end()
    if found is not None:
        print(
            f"seed {seed}: {found}\nthe input is in {folder}; again: python -m tests.fuzz {args.target} --seed {seed}"
        )
        return 1
    print(f"{seed - args.seed:,} inputs of {args.target}: nothing found; largest memory {worker.memory >> 20} MiB")
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
