"""Is the viewer as fast as it promises? A real Chromium on a run of 32,768 features that `saescope serve` shows.

    python -m benchmarks.viewer.page_speed [--folder FOLDER] [--rounds 5]

Prints what was measured, at most how much it may be, and whether that holds; the exit status is 1 if something doesn't.
Measures the viewer as it was built last (`make viewer`). The runs, those of api_speed.py, are made in FOLDER if they
aren't there yet.

A first feature is timed from navigation until it is painted, with an empty cache and a server that was just started;
a switch from the key pressed until the next feature's texts are painted. Frames are the times between two calls of
requestAnimationFrame while the list is scrolled; those of a blank page of the same height say what the machine itself
does. They mean something only on a machine that has little else to do; processor time does also on others.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser

from benchmarks.summaries.synthetic_run import write_run
from benchmarks.viewer import page_timing as timing
from benchmarks.viewer.api_speed import LARGE_RUN, N_FEATURES, N_LARGE, N_LARGE_ROWS, N_ROWS, RUN
from benchmarks.viewer.page_timing import Feature, Frames, Viewer
from services.commands.serve import VIEWER
from sparse_autoencoder.run_flags import at_least
from sparse_autoencoder.runs.store import DirectoryStore
from tests.e2e.bundle import MOST_KB, javascript_kb
from tests.e2e.chromium import launched
from tests.e2e.serving import serving

FIRST_FEATURE_MS = 1000
SWITCH_MS = 100
SWITCHES = 30
RANKS_APART = 3  # features opened from the list: those next to the last one are there already
ROW_PX = 34  # of the list


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    what: str
    measured: float
    unit: str = ""
    at_most: float | None = None  # None: for information

    @property
    def holds(self) -> bool:
        """Whether it is within its limit."""
        return self.at_most is None or self.measured <= self.at_most

    def __str__(self) -> str:
        line = f"{self.what:<66} {self.measured:>6,.0f} {self.unit:<2}"
        return line if self.at_most is None else f"{line}  {self.at_most:>6,.0f}  {'holds' if self.holds else 'MISSED'}"


def first_features(browser: Browser, folder: Path, strongest: Feature, rounds: int) -> list[Figure]:
    """How long it takes until a first feature is there, each time with another server and an empty cache."""

    def median_ms(measure: Callable[[Viewer], float]) -> float:
        measured = []
        for _ in range(rounds):
            with serving("serve", "--runs", folder) as url:
                measured.append(measure(Viewer(url, RUN)))
        return statistics.median(measured)

    in_list = median_ms(lambda viewer: timing.first_feature_ms(browser, viewer))
    on_page = median_ms(lambda viewer: timing.feature_page_ms(browser, viewer, strongest))
    return [
        Figure(f"first feature of the list, cold, median of {rounds}", in_list, "ms", FIRST_FEATURE_MS),
        Figure(f"a feature's own page, cold, median of {rounds}", on_page, "ms", FIRST_FEATURE_MS),
    ]


def switches(browser: Browser, viewer: Viewer, ranking: list[int]) -> list[Figure]:
    """How long it takes from one feature to another: to the next one after a look and at once, and from the list."""
    features = {rank: viewer.feature(feature_id) for rank, feature_id in enumerate(ranking)}
    neighbours = [features[rank] for rank in range(SWITCHES + 1)]
    apart = {rank: features[rank] for rank in range(0, SWITCHES * RANKS_APART, RANKS_APART)}
    with timing.fresh_page(browser) as page:
        measured = {
            "next feature by key, after a look": timing.next_features_ms(page, viewer, neighbours),
            "next feature by key, at once": timing.next_features_ms(page, viewer, neighbours, pause_ms=0),
            "a feature opened from the list": timing.listed_features_ms(page, viewer, apart),
        }
    return [
        figure
        for what, times in measured.items()
        for figure in (
            Figure(f"{what}, median of {SWITCHES}", statistics.median(times), "ms", SWITCH_MS),
            Figure(f"{what}, 95th percentile", float(np.percentile(times, 95)), "ms", SWITCH_MS),
        )
    ]


def scrolling(browser: Browser, viewer: Viewer, features: int, rounds: int, at_most: float | None) -> list[Figure]:
    """The frames while the list is scrolled, and those of a blank page in the same rounds."""
    pairs = [
        (timing.scrolled_list(browser, viewer), timing.scrolled_nothing(browser, features * ROW_PX))
        for _ in range(rounds)
    ]
    what = f"list of {features:,} features scrolled"
    return [
        *_frames_figures(what, [of_list for of_list, _ in pairs], at_most),
        Figure(f"{what}: longest task, processor time", timing.longest_task_ms(browser, viewer), "ms"),
        *_frames_figures("blank page scrolled", [of_nothing for _, of_nothing in pairs], None),
    ]


def _frames_figures(what: str, rounds: list[Frames], at_most: float | None) -> list[Figure]:
    longest = [frames.longest for frames in rounds]
    total = sum(len(frames.intervals) for frames in rounds)
    own = sum(len(frames.long_frames) for frames in rounds)
    too_long = sum(frames.too_long for frames in rounds)
    return [
        Figure(f"{what}: longest frame, median of {len(rounds)}", statistics.median(longest), "ms", at_most),
        Figure(f"{what}: longest frame of all rounds", max(longest), "ms"),
        Figure(f"{what}: frames over 50 ms, of {total:,}", too_long),
        Figure(f"{what}: frames that its own work made long", own),
    ]


def make_runs(folder: Path) -> None:
    """Write the runs that aren't there."""
    store = DirectoryStore(folder)
    for run, n_features, n_rows in ((RUN, N_FEATURES, N_ROWS), (LARGE_RUN, N_LARGE, N_LARGE_ROWS)):
        if not store.list(f"{run}/metadata.json"):
            print(f"making a run of {n_features:,} features", flush=True)
            write_run(store, n_features, n_rows, run)


def measure(browser: Browser, folder: Path, rounds: int) -> bool:
    """Measure and print everything; whether all limits hold."""
    figures: list[Figure] = []

    def note(measured: list[Figure]) -> None:
        figures.extend(measured)
        print(*measured, sep="\n", flush=True)

    make_runs(folder)
    note([Figure("all JavaScript, gzipped", javascript_kb(VIEWER), "kB", MOST_KB)])
    with serving("serve", "--runs", folder) as url:
        viewer, large = Viewer(url, RUN), Viewer(url, LARGE_RUN)
        ranking = viewer.ranking(SWITCHES * RANKS_APART)
        note(first_features(browser, folder, viewer.feature(ranking[0]), rounds))
        note(switches(browser, viewer, ranking))
        note(scrolling(browser, viewer, N_FEATURES, rounds, timing.LONG_FRAME_MS))
        note(scrolling(browser, large, N_LARGE, rounds, None))
    return all(figure.holds for figure in figures)


def main() -> int:
    """Measure and print; 1 if a limit doesn't hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the runs are kept (default: nowhere)")
    parser.add_argument("--rounds", type=at_least(1), default=5, help="of what is slow to measure (default: 5)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, launched() as browser:
        before = os.getloadavg()[0]
        holds = measure(browser, args.folder or Path(temporary), args.rounds)
        after = os.getloadavg()[0]
        print(f"Chromium {browser.version}, {os.cpu_count()} cores, load {before:.1f} before, {after:.1f} after")
    return int(not holds)


if __name__ == "__main__":
    sys.exit(main())
