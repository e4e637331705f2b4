"""The endpoints about the list of all features: a stretch of it, and where a feature stands in it.

Which features are listed, and in which order, is computed by rank_by_metric.py.
"""

from typing import Annotated

from pydantic import Field

from services.api.endpoints.shared_answers import metrics_of, token_chips, with_live
from services.api.endpoints.shared_answers_about_tokens import token_match, token_search
from services.api.endpoints.shared_parameters import FeatureId, Limit, Offset, Order, SearchedText, check_feature_id
from services.api.http.caching import OfLabelled
from services.api.http.endpoint_declaration import Endpoints
from services.api.http.json_answers import BadRequest
from services.api.http.parameters import Count, Flag, number
from services.api.http.table_answers import AsTable
from services.api.response_types.features import FeatureList, FeatureRank, RankedFeature
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.runs.rank_by_metric import BY_POSITION, OTHER_SORTS, SUGGESTED, TOKEN_SHARE, Selection
from sparse_autoencoder.runs.token_matches import TokenCounts
from sparse_autoencoder.summaries.feature_summary import HISTOGRAM_BIN_WIDTH
from sparse_autoencoder.utils.did_you_mean import did_you_mean

FeatureIds = tuple[int, ...]
Density = Annotated[float, number(0, 1)]

endpoints = Endpoints()


class Ranking(OfLabelled):
    """Which features are listed, and in which order."""

    metric: str | None = Field(None, description="The metric; the first one of metrics_available if left out.")
    sort: str | None = Field(
        None,
        description="What orders the list: a metric, feature_id, num_active_tokens, early_share (of the feature's "
        "firings, those at the beginning of windows), cut_share (at the beginning of rows' later windows, which may "
        "begin in mid-sentence), suggested (strong on few tokens, in several texts and not everywhere), and with "
        "`token` token_share, the share of a feature's firings that are on these tokens. If left out: the metric that "
        "is asked for, or token_share, or suggested.",
    )
    order: Order = "desc"
    min_density: Density | None = Field(None, description="Active tokens per counted token, at least.")
    max_density: Density | None = Field(None, description="Active tokens per counted token, at most.")
    min_count: Count | None = Field(None, description="Active tokens, at least.")
    max_count: Count | None = Field(None, description="Active tokens, at most.")
    token: SearchedText | None = Field(
        None,
        description="Features that fire on a token whose text contains this, ignoring case; spaces count.",
    )
    dead: Flag = Field(False, description="The features that never fired instead of those that did.")


class ListParameters(Ranking, AsTable):
    """A stretch of a list."""

    offset: Offset = 0
    limit: Limit = 50
    details: Flag = Field(False, description="Whether features come with their strongest tokens and their histogram.")


class RankParameters(Ranking):
    """A feature in a list."""

    id: FeatureId


@endpoints.about_runs("/api/features", table="features")
def features(asked: ListParameters, run: RunView, only: FeatureIds | None = None) -> FeatureList:
    """A stretch of a ranking of features."""
    metric, selection = _metric(asked, run), _selection(asked, run, only)
    matches = None if asked.token is None else run.token_matches(asked.token)
    counts = None if matches is None else matches.counts
    ids = run.ranking(selection)
    shown = ids[asked.offset : asked.offset + asked.limit].tolist()
    answer: FeatureList = {
        "run": run.metadata.run_id,
        "features": [_ranked_feature(run, metric, feature, asked.details, counts) for feature in shown],
        "metric": metric,
        "sort": selection.sort,
        "order": asked.order,
        "metrics_available": list(run.metric_descriptions),
        "metric_descriptions": run.metric_descriptions,
        "sorts_available": _sorts(asked, run),
        "num_features": run.metadata.num_features,
        "num_active_features": run.metadata.num_active_features,
        "num_matching": len(ids),
        "num_tokens": run.metadata.num_tokens,
        "bin_width": HISTOGRAM_BIN_WIDTH,
        "offset": asked.offset,
        "limit": asked.limit,
    }
    if matches is not None:
        answer["token_table"] = token_search(matches)
    return with_live(answer, run)


@endpoints.about_runs("/api/feature_rank")
def feature_rank(asked: RankParameters, run: RunView, only: FeatureIds | None = None) -> FeatureRank:
    """Where a feature stands in a ranking, and which are beside it."""
    feature_id = check_feature_id(asked.id, run)
    ids = run.ranking(_selection(asked, run, only))
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


def _ranked_feature(
    run: RunView, metric: str, feature_id: int, details: bool, counts: TokenCounts | None
) -> RankedFeature:
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
    if counts is not None:
        feature["token_match"] = token_match(run, counts, feature_id)
    return feature


def _metric(asked: Ranking, run: RunView) -> str:
    """The metric that is asked for, or else the run's first; BadRequest if the run has no such one."""
    available = list(run.metric_descriptions)
    if asked.metric is None:
        return available[0]
    if asked.metric not in available:
        raise BadRequest(f"there is no metric {asked.metric!r}; {did_you_mean(asked.metric, available)}")
    return asked.metric


def _sorts(asked: Ranking, run: RunView) -> list[str]:
    """What the list can be ordered by: metrics, and the keys that this run and this question have."""
    lacking = {*(() if run.positions is not None else BY_POSITION), *(() if run.suggests else (SUGGESTED,))}
    others = [name for name in OTHER_SORTS if name not in lacking]
    searched = asked.token is not None and run.token_matches(asked.token).counts is not None
    return [*run.metric_descriptions, *others, *([TOKEN_SHARE] if searched else [])]


def _sort(asked: Ranking, run: RunView, sorts: list[str]) -> str:
    """What the list is ordered by; BadRequest if it can't be."""
    metric = _metric(asked, run)
    if asked.sort is None:
        if asked.metric is not None:
            return metric
        wanted = [TOKEN_SHARE] if asked.token is not None else [] if asked.dead else [SUGGESTED]
        return next((name for name in wanted if name in sorts), metric)
    if asked.sort in (*BY_POSITION, SUGGESTED) and asked.sort not in sorts:
        raise BadRequest(
            f"run {run.metadata.run_id} can't be ordered by {asked.sort}: it was computed by an earlier version of "
            "saescope, which did not count what that takes; run it again to have it"
        )
    if asked.sort not in sorts:
        raise BadRequest(f"sort is one of {', '.join(sorts)}, not {asked.sort!r}")
    return asked.sort


def _selection(asked: Ranking, run: RunView, only: FeatureIds | None) -> Selection:
    """The features that are asked for, and their order; BadRequest if that can't be."""
    sort = _sort(asked, run, _sorts(asked, run))
    _check_between("density", asked.min_density, asked.max_density)
    _check_between("count", asked.min_count, asked.max_count)
    return Selection(
        sort,
        descending=asked.order == "desc",
        min_density=asked.min_density,
        max_density=asked.max_density,
        min_count=asked.min_count,
        max_count=asked.max_count,
        token=asked.token,
        dead=asked.dead,
        only=only,
    )


def _check_between(what: str, least: float | None, most: float | None) -> None:
    if least is not None and most is not None and least > most:
        raise BadRequest(f"min_{what} is {least} and max_{what} is {most}: no feature can be between them")
