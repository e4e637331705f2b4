"""What fires in a text, joined with what the run's files know of these features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.api.endpoints.shared_answers import token_chips, with_live
from services.api.response_types.models import Encoded, EncodedFeature
from sparse_autoencoder.questions.answer_types import EncodedText, FeatureInText
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.runs.overview_file import Histograms
from sparse_autoencoder.summaries.feature_summary import HISTOGRAM_BIN_WIDTH
from sparse_autoencoder.utils.numpy_array_ops import Ints

_MOST_WITH_TOKENS = 2000  # features; a thousand tokens may have ten times as many


def encoded_answer(found: EncodedText, run: RunView, row_id: int | None) -> Encoded:
    """What fires in a text, or in a stretch of the row with this id."""
    answer: Encoded = {
        "run": run.metadata.run_id,
        "row_id": row_id,
        "tokens": found["tokens"],
        "token_ints": found["token_ints"],
        "first": found["first"],
        "num_tokens": found["num_tokens"],
        "windows": found["windows"],
        "features": _features(found["features"], run),
    }
    return with_live(answer, run)


def _features(found: list[FeatureInText], run: RunView) -> list[EncodedFeature]:
    ids = np.array([one["feature_id"] for one in found], np.int64)
    places = [int(np.argmax(one["values"])) for one in found]
    largest = np.array([one["values"][place] for one, place in zip(found, places, strict=True)], np.float64)
    counts, most = run.statistics.count[ids], run.statistics.metrics["max_activation"][ids]
    densities = counts / max(run.metadata.num_tokens, 1)
    stronger = stronger_than(run.overview.histograms, ids, counts, largest, most)
    return [
        {
            "feature_id": one["feature_id"],
            "at": one["at"],
            "values": one["values"],
            "largest": float(largest[number]),
            "largest_at": one["at"][places[number]],
            "max_activation": float(most[number]),
            "density": float(densities[number]),
            "stronger_than": stronger[number],
            "tokens": token_chips(run, one["feature_id"]) if number < _MOST_WITH_TOKENS else [],
        }
        for number, one in enumerate(found)
    ]


def stronger_than(
    histograms: Histograms, ids: Ints, counts: Ints, values: NDArray[np.float64], most: NDArray[np.float64]
) -> list[float | None]:
    """The share of each feature's activations in the run that are certainly smaller than a value.

    These are those in lower bins (bin b holds activations from b - 1 to b widths), or all if the value is above `most`,
    the largest. None for a feature that never fires in the run.
    """
    bins = np.ceil(values / HISTOGRAM_BIN_WIDTH)
    shares: list[Any] = []
    for feature, count, value, own, largest in zip(ids, counts, values, bins, most, strict=True):
        if not count:
            shares.append(None)
        elif value > largest:
            shares.append(1.0)
        else:
            entries = slice(histograms.starts[feature], histograms.starts[feature + 1])
            lower = histograms.bins[entries] < own
            shares.append(int(histograms.counts[entries][lower].sum()) / int(count))
    return shares
