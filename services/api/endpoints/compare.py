"""The endpoint that compares two runs: which features are listed, in which order, and what is said of each.

The statistics are compare_densities.py's.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from services.api.endpoints.shared_answers import token_chips
from services.api.endpoints.shared_parameters import Limit, Offset, Order, check_feature_id
from services.api.http.caching import TwoRuns
from services.api.http.endpoint_declaration import Endpoints
from services.api.http.json_answers import BadRequest
from services.api.http.parameters import AnyInteger, Count
from services.api.response_types.compare import ComparedBy, ComparedFeature, ComparedRun, ComparedSide, Comparison
from sparse_autoencoder.reading.compare_densities import CONFIDENCE, LogRatios, log_ratios
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.rank_by_metric import ranked
from sparse_autoencoder.utils.numpy_array_ops import Mask

endpoints = Endpoints()


class CompareParameters(TwoRuns):
    """Two runs, and a stretch of the list of their features."""

    sort: ComparedBy = Field(
        "certain",
        description="What orders the list; certain is the end of the interval that is nearer to 0, without its sign.",
    )
    order: Order = "desc"
    offset: Offset = 0
    limit: Limit = 50
    min_count: Count = Field(0, description="Active tokens in both runs together, at least.")
    id: AnyInteger | None = Field(None, description="Only this feature.")


@endpoints.about_runs("/api/compare")
def compare(asked: CompareParameters, a: RunView, b: RunView) -> Comparison:
    """Features by how differently they fire in two runs."""
    _check_comparable(a.metadata, b.metadata)
    if asked.id is not None:
        check_feature_id(asked.id, a)
    ratios = log_ratios(a.statistics.count, a.metadata.num_tokens, b.statistics.count, b.metadata.num_tokens)
    ids = np.flatnonzero(_listed(asked, a, b))
    ids = ids[ranked(_values(asked.sort, a, b, ratios)[ids], asked.order == "desc")]
    shown = ids[asked.offset : asked.offset + asked.limit].tolist()
    answer: Comparison = {
        "a": _run(a),
        "b": _run(b),
        "confidence": CONFIDENCE,
        "sort": asked.sort,
        "order": asked.order,
        "offset": asked.offset,
        "limit": asked.limit,
        "num_features": a.metadata.num_features,
        "num_matching": len(ids),
        "features": [_feature(a, b, ratios, feature) for feature in shown],
    }
    if a.live or b.live:
        answer["live"] = True
    return answer


def _check_comparable(a: RunMetadata, b: RunMetadata) -> None:
    """BadRequest unless the runs' features are the same features."""
    for what, of_a, of_b in (
        ("autoencoders", _autoencoder(a), _autoencoder(b)),
        ("layers", a.layer_index, b.layer_index),
        ("locations", a.location, b.location),
        ("numbers of features", a.num_features, b.num_features),
        ("subject models", a.subject["name"], b.subject["name"]),
    ):
        if of_a != of_b:
            raise BadRequest(
                f"runs {a.run_id} and {b.run_id} can't be compared, as their {what} differ ({of_a} and {of_b}): "
                "choose two runs of the same autoencoder and the same subject model"
            )


def _autoencoder(metadata: RunMetadata) -> str:
    """What tells autoencoders apart: the file's hash, whatever its name or place."""
    return str(metadata.autoencoder.get("sha256", metadata.autoencoder["name"]))


def _listed(asked: CompareParameters, a: RunView, b: RunView) -> Mask:
    """Mask of the features [features] to list; those that fired in neither run aren't."""
    listed: Mask = a.statistics.count + b.statistics.count >= max(asked.min_count, 1)
    if asked.id is not None:
        listed &= np.arange(len(listed)) == asked.id
    return listed


def _values(sort: ComparedBy, a: RunView, b: RunView, ratios: LogRatios) -> NDArray[Any]:
    """What the list is ordered by [features]."""
    match sort:
        case "certain":
            return ratios.certain
        case "log_ratio":
            return ratios.value
        case "density_a":
            return a.statistics.count
        case "density_b":
            return b.statistics.count
        case "feature_id":
            return np.arange(len(ratios.value))


def _run(run: RunView) -> ComparedRun:
    return {
        "run": run.metadata.run_id,
        "source": run.metadata.dataset_csv,
        "num_tokens": run.metadata.num_tokens,
        "num_active_features": run.metadata.num_active_features,
    }


def _feature(a: RunView, b: RunView, ratios: LogRatios, feature_id: int) -> ComparedFeature:
    return {
        "feature_id": feature_id,
        "a": _side(a, feature_id),
        "b": _side(b, feature_id),
        "log_ratio": float(ratios.value[feature_id]),
        "low": float(ratios.low[feature_id]),
        "high": float(ratios.high[feature_id]),
    }


def _side(run: RunView, feature_id: int) -> ComparedSide:
    count = int(run.statistics.count[feature_id])
    return {
        "num_active_tokens": count,
        "density": count / max(run.metadata.num_tokens, 1),
        "tokens": token_chips(run, feature_id),
    }
