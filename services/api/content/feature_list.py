"""The list of all features: what a request selects of it, a stretch of it, and where a feature stands in it.

What is sorted and filtered how is the library's to say (feature_ranking.py); here are its words and its answers.
"""

from __future__ import annotations

from services.api.content.payloads import metrics_of, with_live
from services.api.http.endpoints import DEAD, MAX_COUNT, MAX_DENSITY, METRIC, MIN_COUNT, MIN_DENSITY, ORDER, SORT, TOKEN
from services.api.http.parameters import Asked, Parameter
from services.api.http.requests import BadRequest
from services.api.http.response_types import FeatureList, FeatureRank, RankedFeature, TokenChip
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.runs.feature_ranking import OTHER_SORTS, Selection
from sparse_autoencoder.summaries.summary import HISTOGRAM_BIN_WIDTH

TOKENS_PER_FEATURE = 5


def metric_of(asked: Asked, run: RunView) -> str:
    """The metric that is asked for, or else the run's first; BadRequest if the run has no such one."""
    available = list(run.metric_descriptions)
    metric = asked[METRIC]
    if metric is None:
        return available[0]
    if metric not in available:
        raise BadRequest(f"there is no metric {metric!r}; there are {', '.join(available)}")
    return metric


def selection_of(asked: Asked, run: RunView) -> Selection:
    """The features that are asked for, and their order; BadRequest if that can't be."""
    metric = metric_of(asked, run)
    sort = metric if asked[SORT] is None else asked[SORT]
    sorts = [*run.metric_descriptions, *OTHER_SORTS]
    if sort not in sorts:
        raise BadRequest(f"sort is one of {', '.join(sorts)}, not {sort!r}")
    _check_limits(asked, MIN_DENSITY, MAX_DENSITY)
    _check_limits(asked, MIN_COUNT, MAX_COUNT)
    return Selection(
        sort,
        descending=asked[ORDER] == "desc",
        min_density=asked[MIN_DENSITY],
        max_density=asked[MAX_DENSITY],
        min_count=asked[MIN_COUNT],
        max_count=asked[MAX_COUNT],
        token=asked[TOKEN],
        dead=asked[DEAD],
    )


def feature_list(
    run: RunView, metric: str, selection: Selection, *, offset: int, limit: int, details: bool
) -> FeatureList:
    """A stretch of the selected features, each with its value by the metric."""
    ids = run.ranking(selection)
    answer: FeatureList = {
        "run": run.metadata.run_id,
        "features": [
            _ranked_feature(run, metric, feature, details) for feature in ids[offset : offset + limit].tolist()
        ],
        "metric": metric,
        "sort": selection.sort,
        "order": "desc" if selection.descending else "asc",
        "metrics_available": list(run.metric_descriptions),
        "metric_descriptions": run.metric_descriptions,
        "num_features": run.metadata.num_features,
        "num_active_features": run.metadata.num_active_features,
        "num_matching": len(ids),
        "num_tokens": run.metadata.num_tokens,
        "bin_width": HISTOGRAM_BIN_WIDTH,
        "offset": offset,
        "limit": limit,
    }
    return with_live(answer, run)


def feature_rank(run: RunView, feature_id: int, selection: Selection) -> FeatureRank:
    """Where a feature stands among the selected ones, and which are beside it."""
    ids = run.ranking(selection)
    found: list[int] = (ids == feature_id).nonzero()[0].tolist()
    rank = found[0] if found else None
    answer: FeatureRank = {
        "run": run.metadata.run_id,
        "feature_id": feature_id,
        "rank": rank,
        "previous": int(ids[rank - 1]) if rank else None,
        "next": int(ids[rank + 1]) if rank is not None and rank + 1 < len(ids) else None,
        "num_matching": len(ids),
    }
    return with_live(answer, run)


def token_chips(run: RunView, feature_id: int) -> list[TokenChip]:
    """The tokens at which a feature's examples are strongest, each once."""
    ids = run.overview.tokens.of(feature_id, TOKENS_PER_FEATURE)
    texts = run.vocabulary.strings(ids)
    return [{"token_id": token_id, "token": text} for token_id, text in zip(ids, texts, strict=True)]


def _ranked_feature(run: RunView, metric: str, feature_id: int, details: bool) -> RankedFeature:
    metrics = metrics_of(run, feature_id)
    feature: RankedFeature = {
        "feature_id": feature_id,
        "value": metrics[metric],
        "num_active_tokens": int(run.statistics.count[feature_id]),
        "metrics": metrics,
    }
    if details:
        histogram = run.overview.histograms.of(feature_id)
        feature["tokens"] = token_chips(run, feature_id)
        feature["hist"] = {str(number): count for number, count in histogram.items()}
    return feature


def _check_limits(asked: Asked, least: Parameter[float | None], most: Parameter[float | None]) -> None:
    low, high = asked[least], asked[most]
    if low is not None and high is not None and low > high:
        raise BadRequest(f"{least.name} is {low} and {most.name} is {high}: no feature can be between them")
