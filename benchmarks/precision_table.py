"""What benchmarks.precision found, as Markdown: for each sample a table of activations and lists, one of metrics."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.agreement import Agreement, MetricAgreement, PrecisionResults, Sample
from benchmarks.markdown import percent, table

_ROWS: tuple[tuple[str, Callable[[Agreement], str]], ...] = (
    ("tokens with the same active latents", lambda a: percent(a.identical_sets, 3)),
    ("a token's active latents found, mean", lambda a: percent(a.common_latents, 3)),
    ("relative error of activations: median", lambda a: _small(a.error_median)),
    ("… 99 of 100 have less", lambda a: _small(a.error_99th)),
    ("… largest", lambda a: _small(a.error_largest)),
    ("features that no longer fire", lambda a: f"{a.silent_features:,}"),
    ("features that fire, and did not", lambda a: f"{a.new_features:,}"),
    ("a feature's strongest examples found, mean", lambda a: percent(a.top_examples, 2)),
    ("a feature's strongest examples that belong there, mean", lambda a: percent(a.top_examples_belonging, 2)),
    ("a feature's random examples found, mean", lambda a: percent(a.random_examples, 2)),
)
_METRIC_COLUMNS = ("difference, median", "largest", "ranks")


def section(results: PrecisionResults) -> str:
    """All tables, with how they came about."""
    lines = [
        f"`{results.command}` on {results.measured_on}, {results.hardware.cpu}, "
        f"PyTorch {results.hardware.torch_version}. All figures are against float64. TF32 is emulated, as this was "
        "measured on a CPU: the operands of each multiplication are rounded to 10 bits of mantissa, their products "
        "added up in float32. A metric's difference is relative and of features that fired in float64, 1 if one no "
        "longer does; ranks: Spearman's correlation of the order of features. Examples are found if they are in the "
        "list of float64, and belong there if they are in it or as strong in float64 as the last of it.",
    ]
    for sample in results.samples:
        lines += ["", *_tables(sample)]
    return "\n".join(lines) + "\n"


def _tables(sample: Sample) -> list[str]:
    names = [found.precision + (" (emulated)" if found.emulated else "") for found in sample.agreements]
    rows = [[name, *map(shown, sample.agreements)] for name, shown in _ROWS]
    metric_head = [f"{name}: {_METRIC_COLUMNS[0]}" for name in names]
    head = [title for first in metric_head for title in (first, *_METRIC_COLUMNS[1:])]
    by_metric = zip(*(found.metrics for found in sample.agreements), strict=True)
    metric_rows = [[of[0].name, *(cell for found in of for cell in _cells(found))] for of in by_metric]
    return [
        f"**{sample.name}**: {sample.rows:,} rows, {sample.tokens:,} tokens, {sample.active_latents:.1f} of "
        f"{sample.latents:,} latents active at a token; {sample.features:,} features fired, and the lists of strongest "
        f"examples of {sample.full_lists:,} are full.",
        "",
        *table(["", *names], rows, numbers=len(names)),
        "",
        *table(["metric", *head], metric_rows, numbers=len(head)),
    ]


def _cells(found: MetricAgreement) -> list[str]:
    ranks = "" if found.rank_correlation is None else f"{found.rank_correlation:.6f}"
    return [_small(found.median), _small(found.largest), ranks]


def _small(number: float) -> str:
    """Two significant digits."""
    if number == 0:
        return "0"
    return f"{number:.1e}" if number < 0.001 else f"{number:.2g}"
