"""How fast is saescope here, against what the machine's arithmetic allows, the original's loop and a plain batched one?

    python -m benchmarks.speed.against_baselines [--rows 1400000] [--quick] [--results FOLDER]

Measures everything in one process, in turns, after a warm-up, on this machine's CPU and, where there is one, its GPU:
GPT-2 small to layer 6 and autoencoders with 32,768 and 131,072 latents, all with random weights, over generated
headlines. Takes about twenty minutes on two cores. --rows adds one long run. Writes benchmarks/results/<machine>.json
and the table in docs/performance.md. --quick tries the benchmark itself on tiny models; its figures mean nothing, and
are kept only with --results.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from benchmarks.report import performance_table
from benchmarks.report.measurement_records import (
    BATCHED,
    END_TO_END,
    FOLDER,
    LONG_RUN,
    ORIGINAL,
    PUBLISHING,
    ROOFLINE,
    WITHOUT_PUBLISHING,
    Hardware,
    Record,
    Results,
)
from benchmarks.speed.alternating_repeats import Case, alternate, record_of
from benchmarks.speed.baseline_batched import PlainBatched
from benchmarks.speed.baseline_original import OriginalLoop
from benchmarks.speed.device_timing import timed
from benchmarks.speed.end_to_end import Run, median_shares, run_once
from benchmarks.speed.gemm_rate import Roofline
from benchmarks.speed.headline_rows import Work, read_records, windows_of_rows
from benchmarks.speed.stages import measure_stages
from benchmarks.speed.start_up import measure_start_up
from benchmarks.speed.workload import FULL, LOCATION, PRECISIONS, QUICK, Setting, Target, multiplying_as
from sparse_autoencoder.run_flags import at_least
from sparse_autoencoder.subjects.transformer_lens_subject import BridgeSubject

LONG_CHUNK_ROWS = {"cpu": 10_000, "cuda": 100_000}


class EndToEnd:
    """A case of whole runs on one target, and what each was like."""

    def __init__(self, setting: Setting, target: Target, rows: int, name: str = END_TO_END) -> None:
        self._target = target
        self._options = setting.options(target, rows, LONG_CHUNK_ROWS[target.device] if name == LONG_RUN else None)
        self._runs: list[Run] = []
        _chunk, windows = windows_of_rows(read_records(setting.headlines(rows)), setting.tokenizer, setting.policy)
        self._distinct = Work.distinct(windows, setting.policy)
        self.case = Case(name, target, Work.of(windows, setting.policy), self._measure)

    def _measure(self) -> float:
        run = run_once(self._options, self._target)
        if run.work != self.case.work:
            raise SystemExit(f"the run counted {run.work}, which should be {self.case.work}")
        self._runs.append(run)
        return run.seconds

    def records(self, roofline: Roofline) -> list[Record]:
        """Of the whole; without publishing, as further rows would go; and of publishing."""
        whole, work = self.case.record(roofline), self.case.work
        distinct_s = roofline.seconds(self._distinct, self._target)
        shares = median_shares([run.shares for run in self._runs])
        shares = shares.model_copy(
            update={"fraction_of_roofline_distinct": distinct_s / statistics.median(self.case.seconds)}
        )
        publishing = [run.shares.publishing_s for run in self._runs]
        before = [run.seconds - run.shares.publishing_s for run in self._runs]
        return [
            whole.model_copy(update={"run": shares}),
            record_of(WITHOUT_PUBLISHING, self._target, work, before, roofline),
            record_of(PUBLISHING, self._target, Work(work.rows, work.tokens), publishing, roofline),
        ]


def original_case(setting: Setting, device: str) -> Case:
    """The original's loop over a few rows; always in float32, as it was."""
    target = Target(device, "float32", setting.scale.latents[0])
    rows, work = _some_rows(setting, setting.scale.original_rows)
    loop = OriginalLoop(
        setting.subject_folder, setting.autoencoder(target), LOCATION, setting.scale.layer, target.device
    )

    def measure() -> float:
        with multiplying_as(target):
            return timed(lambda: [loop.add_row(number, row) for number, row in enumerate(rows)], device)

    loop.add_row(0, rows[0])
    return Case(ORIGINAL, target, work, measure)


def batched_case(setting: Setting, target: Target) -> Case:
    """The straightforward batched way over some rows."""
    rows, work = _some_rows(setting, setting.scale.batched_rows[target.device])
    subject = BridgeSubject(
        setting.subject_folder, dict(setting.scale.config), device=target.device, dtype=target.dtype
    )
    first_counted = setting.policy.first_counted
    batched = PlainBatched(subject, setting.autoencoder(target), LOCATION, setting.scale.layer, first_counted)

    def measure() -> float:
        with multiplying_as(target):
            return timed(lambda: batched.add_rows(rows), target.device)

    batched.add_rows(rows[:8])
    return Case(BATCHED, target, work, measure)


def _some_rows(setting: Setting, number: int) -> tuple[list[list[int]], Work]:
    """The token ids of some headlines' windows, BOS before them."""
    records = read_records(setting.headlines(number))
    _chunk, windows = windows_of_rows(records, setting.tokenizer, setting.policy)
    rows = [part.tolist() for part in np.split(windows.tokens, windows.starts[1:-1])]
    return rows, Work.of(windows, setting.policy)


def measure_device(setting: Setting, device: str, long_rows: int | None) -> list[Record]:
    """Everything on one device: stages, then what is compared, then with the larger autoencoder, then a long run."""
    scale = setting.scale
    print(f"{device}: the multiplications", flush=True)
    roofline = Roofline(device, scale.config, scale.layer, scale.latents)
    print(f"{device}: the stages", flush=True)
    stages = measure_stages(setting, device, roofline)
    records: list[Record] = []
    for latents, rounds in zip(scale.latents, (scale.rounds, scale.large_rounds), strict=True):
        print(f"{device}: {latents:,} latents", flush=True)
        targets = [Target(device, precision, latents) for precision in PRECISIONS[device]]
        runs = [EndToEnd(setting, target, scale.run_rows(target)) for target in targets]
        others: list[Case] = []
        if latents == scale.latents[0]:
            others = [original_case(setting, device), *(batched_case(setting, target) for target in targets)]
        if others or device == "cuda":  # on a CPU it is warm by now, and publishing the larger takes longer
            for target in targets:
                run_once(setting.options(target, scale.warm_up_rows), target)
        alternate([*(run.case for run in runs), *others], rounds, roofline)
        records += [case.record(roofline) for case in others]
        records += [record for run in runs for record in run.records(roofline)]
    if long_rows is not None:
        long_run = EndToEnd(setting, Target(device, "bfloat16", scale.latents[0]), long_rows, LONG_RUN)
        alternate([long_run.case], 1, roofline)
        records.append(long_run.records(roofline)[0])
    return [*roofline_records(setting, roofline), *records, *stages]


def roofline_records(setting: Setting, roofline: Roofline) -> list[Record]:
    """The rates that the multiplications alone allow, for rows as the runs have them."""
    records = []
    for target in roofline.targets(setting.scale.latents):
        _rows, work = _some_rows(setting, setting.scale.stage_rows)
        seconds = [roofline.seconds(work, target, of) for of in (statistics.median, min, max)]
        record = record_of(ROOFLINE, target, work, seconds, roofline)
        records.append(record.model_copy(update={"repeats": roofline.repeats(target)}))
    return records


def measure(setting: Setting, long_rows: int | None) -> Results:
    """Everything, on all devices that there are; the long run on the last."""
    load = os.getloadavg()[0]
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    records: list[Record] = []
    for device in devices:
        records += measure_device(setting, device, long_rows if device == devices[-1] else None)
    print("starting", flush=True)
    records += measure_start_up(setting.scale.rounds)
    return Results(
        command=" ".join(["python -m benchmarks.speed.against_baselines", *sys.argv[1:]]),
        measured_on=f"{datetime.now(UTC):%Y-%m-%d}",
        load_before=round(load, 2),
        hardware=Hardware.here(),
        records=records,
    )


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=at_least(1), help="also do one long run, over so many rows")
    parser.add_argument("--quick", action="store_true", help="tiny models and few rows, to try the benchmark")
    parser.add_argument("--results", type=Path, help="folder for the results (default: benchmarks/results)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = measure(Setting(Path(folder), QUICK if args.quick else FULL), args.rows)
    target = args.results or (None if args.quick else FOLDER)
    if target is not None:
        results.write(target / f"{results.hardware.slug}.json")
    if target == FOLDER:
        performance_table.write()
    print(performance_table.section(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
