"""How far what one precision gives agrees with what another gives: activations, metrics, lists of examples.

Numbers only; knows neither how they were computed nor how they are shown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from sparse_autoencoder.summaries.example_arrays import Examples
from sparse_autoencoder.summaries.feature_metrics import FEATURE_METRICS, Floats
from sparse_autoencoder.summaries.feature_summary import Summary
from sparse_autoencoder.utils.numpy_array_ops import Ints

_STRICT = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Encoded:
    """What was computed from the same windows in some precision; the summary is of the activations."""

    token: Ints  # [activations], number of the token
    feature: Ints  # [activations]
    value: NDArray[np.float32]  # [activations]
    window: Ints  # [windows], their `window_keys`
    begin: Ints  # [windows], number of their first token
    summary: Summary


class MetricAgreement(BaseModel):
    """Of a metric, over the features that fired in the reference."""

    model_config = _STRICT

    name: str
    median: float  # relative difference
    largest: float  # relative difference; 1 for a feature that no longer fires
    rank_correlation: float | None  # Spearman's, of the features' order; None where all are equal


class Agreement(BaseModel):
    """Of one precision with the reference; all shares are of 1."""

    model_config = _STRICT

    precision: str
    identical_sets: float  # tokens at which the same latents are active, of those at which any are
    common_latents: float  # of a token's active latents, the mean over tokens
    error_median: float  # relative, of activations that are in both
    error_99th: float
    error_largest: float
    silent_features: int  # that fired in the reference, and no longer do
    new_features: int  # that fire, and did not in the reference
    metrics: list[MetricAgreement]
    top_examples: float  # of a feature's list in the reference, the mean over features
    top_examples_belonging: float  # of a feature's list here: as strong in the reference as what that one lists
    random_examples: float


def compare(precision: str, reference: Encoded, found: Encoded) -> Agreement:
    """How far `found` agrees with the reference."""
    ours, theirs = _keys(reference), _keys(found)
    common, of_ours, of_theirs = np.intersect1d(ours, theirs, assume_unique=True, return_indices=True)
    n_tokens = 1 + int(max(reference.token.max(initial=0), found.token.max(initial=0)))
    n_ours, n_theirs, n_common = (
        np.bincount(keys // reference.summary.spec.n_features, minlength=n_tokens) for keys in (ours, theirs, common)
    )
    any_active = (n_ours > 0) | (n_theirs > 0)
    value = reference.value[of_ours].astype(np.float64)
    error = np.abs(found.value[of_theirs] - value) / value
    fired, fires = reference.summary.count > 0, found.summary.count > 0
    return Agreement(
        precision=precision,
        identical_sets=float(((n_common == n_ours) & (n_common == n_theirs))[any_active].mean()),
        common_latents=float((n_common[n_ours > 0] / n_ours[n_ours > 0]).mean()),
        error_median=float(np.median(error)),
        error_99th=float(np.quantile(error, 0.99)),
        error_largest=float(error.max()),
        silent_features=int((fired & ~fires).sum()),
        new_features=int((fires & ~fired).sum()),
        metrics=_metrics(reference.summary, found.summary, fired),
        top_examples=list_overlap(reference.summary.top, found.summary.top),
        top_examples_belonging=list_belonging(reference, found),
        random_examples=list_overlap(reference.summary.random, found.summary.random),
    )


def _keys(encoded: Encoded) -> Ints:
    """A number for each activation's place."""
    return encoded.token.astype(np.int64) * encoded.summary.spec.n_features + encoded.feature


def _metrics(reference: Summary, found: Summary, fired: NDArray[np.bool_]) -> list[MetricAgreement]:
    agreements = []
    for metric in FEATURE_METRICS:
        before, after = (metric.compute(summary.totals())[fired] for summary in (reference, found))
        difference = np.abs(after - before) / before
        agreements.append(
            MetricAgreement(
                name=metric.name,
                median=float(np.median(difference)),
                largest=float(difference.max()),
                rank_correlation=rank_correlation(before, after),
            )
        )
    return agreements


def rank_correlation(a: Floats, b: Floats) -> float | None:
    """Spearman's: the correlation of ranks, equal numbers sharing the mean of theirs; None where there is no order."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def _ranks(values: Floats) -> Floats:
    _distinct, number, count = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    return (ends - (count - 1) / 2)[number]


def list_overlap(reference: Examples, found: Examples) -> float:
    """The share of a feature's examples whose windows are in the other list too, the mean over features."""
    n_features = 1 + int(max(reference.feature.max(initial=0), found.feature.max(initial=0)))
    return _share_by_feature(reference, np.isin(_listed(reference, n_features), _listed(found, n_features)))


def list_belonging(reference: Encoded, found: Encoded) -> float:
    """The share of a feature's strongest examples in `found` that belong there, the mean over features.

    They do if the reference lists them too, or has them just as strong as the last of its list: texts that begin alike
    have equally strong tokens, of which rounding decides which are listed.
    """
    ours, theirs = reference.summary.top, found.summary.top
    n_features = reference.summary.spec.n_features
    listed = np.isin(_listed(theirs, n_features), _listed(ours, n_features))
    last = np.full(n_features, np.inf)
    np.minimum.at(last, ours.feature, ours.value)
    return _share_by_feature(theirs, listed | (_strength(reference, theirs) >= last[theirs.feature]))


def _listed(examples: Examples, n_features: int) -> Ints:
    """A number for each example's feature and window."""
    return window_keys(examples.row_id, examples.window) * n_features + examples.feature


def window_keys(row_id: Ints, number: NDArray[np.int32]) -> Ints:
    """A number for each window, ascending as they come in a chunk; a row has fewer than 1,024."""
    return (row_id << 10) | number


def _strength(encoded: Encoded, examples: Examples) -> NDArray[np.float32]:
    """What an encoding has at examples' tokens; 0 if their feature isn't active there."""
    window = np.searchsorted(encoded.window, window_keys(examples.row_id, examples.window))
    n_features = encoded.summary.spec.n_features
    wanted = (encoded.begin[window] + examples.position) * n_features + examples.feature
    keys = _keys(encoded)
    order = np.argsort(keys)
    at = np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)
    return np.where(keys[order[at]] == wanted, encoded.value[order[at]], np.float32(0))


def _share_by_feature(examples: Examples, kept: NDArray[np.bool_]) -> float:
    """The share of each feature's examples, the mean over features that have any."""
    listed = np.bincount(examples.feature)
    shares = np.bincount(examples.feature, kept)[listed > 0] / listed[listed > 0]
    return float(shares.mean())
