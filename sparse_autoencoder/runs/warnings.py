"""What a user should know of a run that ended well: the self-check, many skipped rows, texts that are hardly texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparse_autoencoder.tokens.row_notes import NUMBER, SINGLE_TOKEN

MANY_SKIPPED = 0.1
"""The share of a run's rows that may be skipped without a warning."""

ACTIVATION_ASSUMED = (
    "the autoencoder's file names no activation function, so it was read as ReLU, without normalising its inputs; if "
    "it has another, all figures are wrong: say so with --activation, as in --activation topk:32"
)
_MOSTLY = 0.5
_ADVICE = "is that the right column? (--text-column)"


def warnings_on(num_records: int, num_prompts: int, skipped: Mapping[str, int], notes: Mapping[str, int]) -> list[str]:
    """Sentences about a run's rows: how many were read and used, why rows were skipped, and notes on the used ones."""
    warnings = []
    num_skipped = sum(skipped.values())
    if num_skipped > MANY_SKIPPED * num_records:
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in _most_first(skipped))
        warnings.append(
            f"{num_skipped:,} of {num_records:,} rows, {num_skipped / num_records:.0%}, were skipped, and the "
            f"statistics are of the others alone: {reasons}"
        )
    for note, what in ((NUMBER, "numbers"), (SINGLE_TOKEN, "single tokens")):
        if (count := notes.get(note, 0)) > _MOSTLY * num_prompts:
            warnings.append(f"{count:,} of {num_prompts:,} texts are only {what}: {_ADVICE}")
    return warnings


def self_check_line(self_check: Mapping[str, Any]) -> str:
    """The self-check's verdict and main figures, of runs/self_check.py."""
    figures = [
        f"{name} {self_check[key]:{form}}"
        for key, name, form in (
            ("fvu", "FVU", ".4f"),
            ("cosine", "cosine", ".3f"),
            ("mean_l0", "L0", ".1f"),
            ("delta_cross_entropy", "ΔCE", ".3f"),
        )
        if self_check[key] is not None
    ]
    return f"self-check: {self_check['verdict']}" + (f" ({', '.join(figures)})" if figures else "")


def _most_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: -item[1])
