"""Does memory follow the dataset? Peak memory of `saescope run` over more and more demo rows.

    python -m benchmarks.speed.memory [--rows 20000 200000]

Each run is a process of its own on the demo models; the figure is its peak resident set size.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import demo
from demo.headlines import write_csv


def peak_mib(rows: int, folder: Path) -> float:
    """Peak resident memory, in MiB, of a run over `rows` headlines."""
    headlines = folder / f"{rows}.csv"
    write_csv(rows, 0, str(headlines))
    command = [
        sys.executable,
        "-m",
        "services.cli",
        "run",
        "--source",
        str(headlines),
        "--output",
        str(folder / "runs"),
    ]
    command += ["--subject", str(demo.SUBJECT), "--autoencoder", str(demo.AUTOENCODER)]
    command += ["--layer", str(demo.LAYER), "--location", demo.LOCATION]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _pid, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"the run over {rows:,} rows failed")
    return usage.ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 200_000])
    args = parser.parse_args()
    first: float | None = None
    for rows in args.rows:
        with tempfile.TemporaryDirectory() as folder:
            peak = peak_mib(rows, Path(folder))
        first = first or peak
        print(f"{rows:>10,} rows: {peak:7.0f} MiB peak, {peak / first:.3f} of the first", flush=True)


if __name__ == "__main__":
    main()
