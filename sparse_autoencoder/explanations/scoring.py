"""How well patterns predict a feature, from two samples: of its firings, and of the tokens at which a pattern fits.

A feature fires at one token in thousands. Among tokens drawn at random are then no firings from which a recall would
follow, and among examples, which are all firings, no wrong prediction. Each quantity is taken from the sample that is
drawn for it: recall = P(predicted > 0 | a > 0) from the firings, precision = P(a > 0 | predicted > 0) from the tokens
at which a pattern fits, all of which are looked for in many rows, and some drawn to be computed.

For the explained share, every token of the run is a firing, or isn't one. The run knows how many of both there are, so
E[(a - p)²] = (firings · mean over firings of (a - p)² + tokens · share at which a pattern fits · mean of p² where it
doesn't fire) / tokens, and E[a²] = firings · mean over firings of a² / tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sparse_autoencoder.questions.answer_types import GraphScores


@dataclass(frozen=True)
class Predicted:
    """A feature's activation at a token, and what was predicted there."""

    activation: float
    prediction: float


@dataclass(frozen=True)
class Fitting:
    """A sample of the tokens at which a pattern fits."""

    num_rows: int  # that were looked through
    num_tokens: int  # counted ones in these
    num_predicted: int  # of these, at which a pattern fits
    checked: list[Predicted]  # some of these, drawn at random


def graph_scores(
    firings: Sequence[Predicted],
    unseen: Sequence[Predicted],
    fitting: Fitting,
    num_firings: float,
    num_tokens: int,
) -> GraphScores:
    """The scores of patterns from a sample of firings and of the tokens at which the patterns fit.

    unseen: those of the firings on whose texts what is predicted doesn't depend; whether something is predicted doesn't
    depend on any of them.
    num_firings, num_tokens: how many there are in the whole run.
    """
    checked = fitting.checked
    return GraphScores(
        num_examples=len(firings),
        num_rows=fitting.num_rows,
        num_tokens=fitting.num_tokens,
        num_predicted=fitting.num_predicted,
        num_checked=len(checked),
        recall=_mean([one.prediction > 0 for one in firings]) if firings else None,
        precision=_mean([one.activation > 0 for one in checked]) if checked else None,
        explained=_explained(unseen, fitting, num_firings, num_tokens),
    )


def _explained(firings: Sequence[Predicted], fitting: Fitting, num_firings: float, num_tokens: int) -> float | None:
    if not firings or not fitting.num_tokens:
        return None
    missed = num_firings * _mean([(one.activation - one.prediction) ** 2 for one in firings])
    wrong = 0.0
    if fitting.checked:
        at_each = _mean([one.prediction**2 if one.activation <= 0 else 0.0 for one in fitting.checked])
        wrong = num_tokens * fitting.num_predicted / fitting.num_tokens * at_each
    return 1 - (missed + wrong) / (num_firings * _mean([one.activation**2 for one in firings]))


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)
