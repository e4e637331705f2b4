"""How long it takes from pressing Enter: `saescope run --help`, and a whole run of the demo models, imports included.

Measured from outside, as processes of their own.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import demo
from benchmarks.report.measurement_records import Record
from benchmarks.speed.device_timing import timed
from demo.headlines import write_csv

HELP = "saescope run --help"
DEMO_RUN = "saescope run, demo models, 1,000 rows"
STARTING = (HELP, DEMO_RUN)
_ROWS = 1_000
_SAESCOPE = (sys.executable, "-m", "services.cli")


def measure_start_up(repeats: int) -> list[Record]:
    """Both, so many times in turns."""
    seconds: dict[str, list[float]] = {HELP: [], DEMO_RUN: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_csv(_ROWS, 0, str(folder / "headlines.csv"))
        for number in range(repeats):
            seconds[HELP].append(_timed("run", "--help"))
            seconds[DEMO_RUN].append(_timed(*_demo_run(folder, number)))
    return [
        Record(
            name=what,
            device="cpu",
            rows=_ROWS if what == DEMO_RUN else None,
            repeats=repeats,
            seconds=statistics.median(each),
            fastest_s=min(each),
            slowest_s=max(each),
        )
        for what, each in seconds.items()
    ]


def _demo_run(folder: Path, number: int) -> Sequence[str]:
    models = ["--subject", str(demo.SUBJECT), "--autoencoder", str(demo.AUTOENCODER)]
    where = ["--layer", str(demo.LAYER), "--location", demo.LOCATION, "--device", "cpu"]
    return ["run", "--source", str(folder / "headlines.csv"), *models, *where, "--output", str(folder / str(number))]


def _timed(*arguments: str) -> float:
    return timed(lambda: subprocess.run([*_SAESCOPE, *arguments], check=True, capture_output=True))
