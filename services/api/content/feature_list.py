"""The list of all features: a stretch of it, and where a feature stands in it.

What is sorted and filtered how is the library's to say (rank_by_metric.py); here are its answers.
"""

from __future__ import annotations

from services.api.content.feature_payloads import metrics_of, with_live
from services.api.response_types.features import FeatureList, FeatureRank, RankedFeature, TokenChip
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.runs.rank_by_metric import Selection
from sparse_autoencoder.summaries.feature_summary import HISTOGRAM_BIN_WIDTH

TOKENS_PER_FEATURE = 5


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
