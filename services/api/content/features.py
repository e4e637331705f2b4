"""The endpoints about features: the list, where one stands in it, and everything about one.

What they take is declared in endpoints.py; what they answer is built in feature_list.py and payloads.py.
"""

from __future__ import annotations

from starlette.routing import Route

from services.api.content import payloads
from services.api.content.feature_list import feature_list, feature_rank, metric_of, selection_of
from services.api.http.caching import RunAnswers
from services.api.http.endpoints import (
    DETAILS,
    FEATURE,
    FEATURE_ID,
    FEATURE_INFO,
    FEATURE_RANK,
    FEATURES,
    LIMIT,
    OFFSET,
    TOP_K,
)
from services.api.http.parameters import Asked, check_range
from services.api.http.response_types import FeatureInfo, FeatureList, FeatureRank, FeatureTokens
from services.api.http.routing import routes
from sparse_autoencoder.reading.run_library import RunLibrary
from sparse_autoencoder.reading.run_view import RunView


class FeaturesApi:
    """The endpoints about features, on the runs of a store."""

    def __init__(self, library: RunLibrary) -> None:
        self._answers = RunAnswers(library)

    def routes(self) -> list[Route]:
        """All endpoints below /api."""
        handlers = self._answers.handlers(
            {
                FEATURES: self.features,
                FEATURE_RANK: self.feature_rank,
                FEATURE: self.feature,
                FEATURE_INFO: self.feature_info,
            }
        )
        return routes(handlers, "/api")

    def features(self, asked: Asked, run: RunView) -> FeatureList:
        """See FEATURES."""
        metric, selection = metric_of(asked, run), selection_of(asked, run)
        return feature_list(run, metric, selection, offset=asked[OFFSET], limit=asked[LIMIT], details=asked[DETAILS])

    def feature_rank(self, asked: Asked, run: RunView) -> FeatureRank:
        """See FEATURE_RANK."""
        return feature_rank(run, _feature_id(asked, run), selection_of(asked, run))

    def feature(self, asked: Asked, run: RunView) -> FeatureTokens:
        """See FEATURE."""
        return payloads.feature(run, _feature_id(asked, run), asked[TOP_K])

    def feature_info(self, asked: Asked, run: RunView) -> FeatureInfo:
        """See FEATURE_INFO."""
        return payloads.feature_info(run, _feature_id(asked, run), asked[TOP_K])


def _feature_id(asked: Asked, run: RunView) -> int:
    return check_range(FEATURE_ID.name, asked[FEATURE_ID], 0, run.metadata.num_features - 1)
