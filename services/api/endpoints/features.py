"""The endpoints about features: their list, where one stands in it, and everything about one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.api.content import feature_payloads
from services.api.content.feature_list import feature_list
from services.api.content.feature_list import feature_rank as rank_in_list
from services.api.endpoints.shared_parameters import Limit, Offset, Order, SearchedText
from services.api.http.caching import OneRun
from services.api.http.endpoint_declaration import Endpoints
from services.api.http.json_answers import BadRequest
from services.api.http.parameters import AnyInteger, Count, Flag, check_range, number, whole
from services.api.response_types.features import FeatureInfo, FeatureList, FeatureRank, FeatureTokens
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.runs.rank_by_metric import OTHER_SORTS, Selection

Density = Annotated[float, number(0, 1)]
FeatureId = Annotated[
    AnyInteger, Field(description="The feature, from 0 to before the number of the run's features.", examples=[12])
]

endpoints = Endpoints()


class Ranking(OneRun):
    """Which features are listed, and in which order."""

    metric: str | None = Field(None, description="The metric; the first one of metrics_available if left out.")
    sort: str | None = Field(
        None, description="What orders the list: a metric, feature_id or num_active_tokens; the metric if left out."
    )
    order: Order = "desc"
    min_density: Density | None = Field(None, description="Active tokens per counted token, at least.")
    max_density: Density | None = Field(None, description="Active tokens per counted token, at most.")
    min_count: Count | None = Field(None, description="Active tokens, at least.")
    max_count: Count | None = Field(None, description="Active tokens, at most.")
    token: SearchedText | None = Field(
        None,
        description="Features with an example that is listed for a token whose text contains this, ignoring case; "
        "spaces count.",
    )
    dead: Flag = Field(False, description="The features that never fired instead of those that did.")


class ListParameters(Ranking):
    """A stretch of a list."""

    offset: Offset = 0
    limit: Limit = 50
    details: Flag = Field(False, description="Whether features come with their strongest tokens and their histogram.")


class RankParameters(Ranking):
    """A feature in a list."""

    id: FeatureId


class FeatureParameters(OneRun):
    """A feature and its examples."""

    id: FeatureId
    top_k: Annotated[int, whole(0, 1000)] = Field(10, description="How many examples of each sort, at most.")


@endpoints.about_runs("/api/features")
def features(asked: ListParameters, run: RunView) -> FeatureList:
    """A stretch of a ranking of features."""
    metric, selection = _metric(asked, run), _selection(asked, run)
    return feature_list(run, metric, selection, offset=asked.offset, limit=asked.limit, details=asked.details)


@endpoints.about_runs("/api/feature_rank")
def feature_rank(asked: RankParameters, run: RunView) -> FeatureRank:
    """Where a feature stands in a ranking, and which are beside it."""
    return rank_in_list(run, _feature_id(asked, run), _selection(asked, run))


@endpoints.about_runs("/api/feature")
def feature(asked: FeatureParameters, run: RunView) -> FeatureTokens:
    """A feature's strongest tokens."""
    return feature_payloads.feature(run, _feature_id(asked, run), asked.top_k)


@endpoints.about_runs("/api/feature_info")
def feature_info(asked: FeatureParameters, run: RunView) -> FeatureInfo:
    """Everything about a feature."""
    return feature_payloads.feature_info(run, _feature_id(asked, run), asked.top_k)


def _feature_id(asked: RankParameters | FeatureParameters, run: RunView) -> int:
    return check_range("id", asked.id, 0, run.metadata.num_features - 1)


def _metric(asked: Ranking, run: RunView) -> str:
    """The metric that is asked for, or else the run's first; BadRequest if the run has no such one."""
    available = list(run.metric_descriptions)
    if asked.metric is None:
        return available[0]
    if asked.metric not in available:
        raise BadRequest(f"there is no metric {asked.metric!r}; there are {', '.join(available)}")
    return asked.metric


def _selection(asked: Ranking, run: RunView) -> Selection:
    """The features that are asked for, and their order; BadRequest if that can't be."""
    metric = _metric(asked, run)
    sort = metric if asked.sort is None else asked.sort
    sorts = [*run.metric_descriptions, *OTHER_SORTS]
    if sort not in sorts:
        raise BadRequest(f"sort is one of {', '.join(sorts)}, not {sort!r}")
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
    )


def _check_between(what: str, least: float | None, most: float | None) -> None:
    if least is not None and most is not None and least > most:
        raise BadRequest(f"min_{what} is {least} and max_{what} is {most}: no feature can be between them")
