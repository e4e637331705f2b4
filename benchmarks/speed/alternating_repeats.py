"""Repeats that alternate: what is compared is measured in turns, so that noise hits all alike.

Before each measurement the GEMM rate is measured again; results are medians. Knows nothing of what is measured.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.report.measurement_records import Record
from benchmarks.speed.gemm_rate import Roofline
from benchmarks.speed.headline_rows import Work
from benchmarks.speed.workload import Target


@dataclass(frozen=True)
class Case:
    """Something that is measured: `measure` does it once and says how many seconds that took."""

    name: str
    target: Target
    work: Work
    measure: Callable[[], float]
    seconds: list[float] = field(default_factory=list, compare=False)

    def record(self, roofline: Roofline) -> Record:
        """The result: the median, and how it compares with the multiplication's rate."""
        return record_of(self.name, self.target, self.work, self.seconds, roofline)


def record_of(name: str, target: Target, work: Work, seconds: Sequence[float], roofline: Roofline) -> Record:
    """The result of repeats that took so long."""
    median = statistics.median(seconds)
    flop = roofline.flop(work, target)
    return Record(
        name=name,
        device=target.device,
        precision=target.precision,
        latents=target.latents,
        rows=work.rows or None,
        tokens_per_s=work.tokens / median,
        gflops=flop / median / 1e9 if flop else None,
        fraction_of_roofline=roofline.seconds(work, target) / median if flop else None,
        repeats=len(seconds),
        seconds=median,
        fastest_s=min(seconds),
        slowest_s=max(seconds),
    )


def alternate(cases: Sequence[Case], rounds: int, roofline: Roofline) -> None:
    """Measure each case once in each round, the roofline before each; their `seconds` are filled."""
    for number in range(rounds):
        for case in cases:
            roofline.pulse(case.target)
            seconds = case.measure()
            case.seconds.append(seconds)
            what = " ".join(str(part) for part in (case.target.precision, case.target.latents) if part is not None)
            speed = f"{seconds:8.3f} s, {case.work.tokens / seconds:11,.0f} tokens/s"
            print(
                f"  round {number + 1}/{rounds}  {case.target.device} {case.name + ' ' + what:44} {speed}", flush=True
            )
