"""Two demo runs over different headlines, whose names, times and paths are always the same.

For tests the two are draws from the same world; for a picture of a comparison they are of two kinds: what analysts say
of companies, and everything else.
"""

from __future__ import annotations

import csv
import json
import shutil
from itertools import islice
from pathlib import Path

import demo
from demo.headlines import generate, write_csv
from tests.e2e.serving import summarise

OF_ANALYSTS = {"analyst_firm", "analyst_name", "price_target", "rating", "coverage"}
FLAGS = ["--subject", "demo/subject", "--autoencoder", "demo/autoencoder.pt", "--location", demo.LOCATION]


def make_runs(work: Path, rows: int) -> Path:
    """Make the runs, the later one over the headlines of seed 0; the answer is their folder, in the empty one given."""
    for seed in (1, 0):
        write_csv(rows, seed, str(work / f"headlines-{seed}.csv"))
    return _runs_over(work, "headlines-1.csv", "headlines-0.csv")


def make_runs_of_two_kinds(work: Path, rows: int) -> Path:
    """As make_runs: the earlier run is over news of companies, the later one over analysts' ratings."""
    written = {"company-news.csv": False, "analyst-ratings.csv": True}
    for name, of_analysts in written.items():
        titles = (
            headline.title
            for headline in generate(2**62, 0)
            if any(span.concept in OF_ANALYSTS for span in headline.spans) == of_analysts
        )
        with (work / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["title"], *([title] for title in islice(titles, rows))])
    return _runs_over(work, *written)


def _runs_over(work: Path, earlier: str, later: str) -> Path:
    models = work / "demo"
    models.mkdir()
    shutil.copytree(demo.SUBJECT, models / "subject")
    shutil.copy(demo.AUTOENCODER, models)
    for hour, source in ((11, earlier), (12, later)):
        output = f"made-{hour}"
        summarise("--source", source, *FLAGS, "--layer", str(demo.LAYER), "--output", output, folder=work)
        (made,) = (work / output).iterdir()
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
