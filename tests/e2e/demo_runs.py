"""Two demo runs over different headlines, whose names, times and paths are always the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import demo
from demo.headlines import write_csv
from tests.e2e.serving import summarise

FLAGS = ["--subject", "demo/subject", "--autoencoder", "demo/autoencoder.pt", "--location", demo.LOCATION]


def make_runs(work: Path, rows: int) -> Path:
    """Make the runs, the later one over the headlines of seed 0; the answer is their folder, in the empty one given."""
    models = work / "demo"
    models.mkdir()
    shutil.copytree(demo.SUBJECT, models / "subject")
    shutil.copy(demo.AUTOENCODER, models)
    for hour, seed in ((11, 1), (12, 0)):
        source = f"headlines-{seed}.csv"
        write_csv(rows, seed, str(work / source))
        summarise("--source", source, *FLAGS, "--layer", str(demo.LAYER), "--output", f"made-{seed}", folder=work)
        (made,) = (work / f"made-{seed}").iterdir()
        _settle(made, work / "runs" / f"20260101-{hour}0000_run-001", hour)
    return work / "runs"


def _settle(made: Path, run: Path, hour: int) -> None:
    """Give a run its lasting name and times, which are in its metadata alone."""
    run.parent.mkdir(exist_ok=True)
    made.rename(run)
    file = run / "metadata.json"
    times = {
        "started_at": f"2026-01-01T{hour}:00:00+00:00",
        "finished_at": f"2026-01-01T{hour}:00:05+00:00",
        "seconds": 5.0,
    }
    metadata = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(metadata | times | {"run_id": run.name}), encoding="utf-8")
