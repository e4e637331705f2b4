"""What saescope promises about its speed, held against what was measured."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.results import Record, Results
from benchmarks.start_up import DEMO_RUN, HELP

ROOFLINE = "multiplication alone (GEMM)"
ORIGINAL = "the original's loop, re-enacted"
BATCHED = "plain batches, dense latents"
END_TO_END = "end to end"
WITHOUT_PUBLISHING = "end to end, before publishing"
PUBLISHING = "publishing"
LONG_RUN = "end to end, long run"
LONG_RUN_ROWS, LONG_RUN_S = 1_400_000, 60


@dataclass(frozen=True)
class Promise:
    """A figure and its limit; None where it wasn't measured."""

    text: str
    value: float | None
    limit: float
    at_least: bool = True
    unit: str = ""  # "%" shows shares as such

    @property
    def holds(self) -> bool | None:
        """Whether it does; None if that wasn't measured."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value < self.limit

    def line(self) -> str:
        """The figure, its limit, and the verdict."""
        verdict = {True: "met", False: "MISSED", None: "not measured"}[self.holds]
        value = "-" if self.value is None else self._shown(self.value)
        return f"{self.text:64} {value:>14}  ({'>=' if self.at_least else '<'} {self._shown(self.limit)})  {verdict}"

    def _shown(self, number: float) -> str:
        if self.unit == "%":
            return f"{100 * number:.1f} %"
        digits = 0 if number >= 1000 else 1 if number >= 1 else 2
        return f"{number:,.{digits}f}{self.unit}"


def promises(results: Results, latents: int) -> list[Promise]:
    """All promises, for the smaller autoencoder."""
    return [*_on_cpu(results, latents), *_starting(results), *_on_gpu(results, latents)]


def _on_cpu(results: Results, latents: int) -> list[Promise]:
    exact = results.find(END_TO_END, "cpu", "float32", latents)
    rounded = results.find(END_TO_END, "cpu", "bfloat16", latents)
    original = results.find(ORIGINAL, "cpu", "float32", latents)
    list_ = [
        Promise("CPU, float32, end to end: of the GEMM rate", _fraction(exact), 0.90, unit="%"),
        Promise("CPU, float32, end to end: times the original's loop", _ratio(exact, original), 40, unit=" x"),
        Promise("CPU, bfloat16, end to end: of the GEMM rate", _fraction(rounded), 0.80, unit="%"),
        Promise("CPU, bfloat16, end to end: times float32", _ratio(rounded, exact), 2.2, unit=" x"),
    ]
    for run in (exact, rounded):
        if run is not None and run.run is not None:
            text = f"CPU, {run.precision}: "
            list_ += [
                Promise(text + "summary and merge, of the processor's time", run.run.summarising, 0.05, False, "%"),
                Promise(text + "the encoder waits for rows, of the time", run.run.waiting, 0.01, False, "%"),
            ]
    return list_


def _starting(results: Results) -> list[Promise]:
    limits = ((HELP, 0.5), (DEMO_RUN, 10.0))
    return [Promise(name, _seconds(results.find(name)), limit, False, " s") for name, limit in limits]


def _on_gpu(results: Results, latents: int) -> list[Promise]:
    run = results.find(END_TO_END, "cuda", "bfloat16", latents)
    long_run = results.find(LONG_RUN, "cuda", "bfloat16", latents)
    seconds = _seconds(long_run) if long_run is not None and (long_run.rows or 0) >= LONG_RUN_ROWS else None
    return [
        Promise("GPU, bfloat16, end to end: tokens/s", None if run is None else run.tokens_per_s, 2_000_000),
        Promise("GPU, bfloat16, end to end: of the GEMM rate", _fraction(run), 0.50, unit="%"),
        Promise(f"GPU, bfloat16: {LONG_RUN_ROWS:,} rows (--rows)", seconds, LONG_RUN_S, False, " s"),
    ]


def report(results: Results, latents: int) -> bool:
    """Print a line for each promise; whether none is missed."""
    found = promises(results, latents)
    for promise in found:
        print(promise.line())
    return all(promise.holds is not False for promise in found)


def _seconds(record: Record | None) -> float | None:
    return None if record is None else record.seconds


def _fraction(record: Record | None) -> float | None:
    return None if record is None else record.fraction_of_roofline


def _ratio(record: Record | None, other: Record | None) -> float | None:
    if record is None or other is None or record.tokens_per_s is None or not other.tokens_per_s:
        return None
    return record.tokens_per_s / other.tokens_per_s
