"""The endpoint that compares two runs: which features are listed, and in which order."""

from __future__ import annotations

from pydantic import Field

from services.api.content.compare_runs import check_comparable, comparison
from services.api.endpoints.shared_parameters import Limit, Offset, Order
from services.api.http.caching import TwoRuns
from services.api.http.endpoint_declaration import Endpoints
from services.api.http.parameters import AnyInteger, Count, check_range
from services.api.response_types.compare import ComparedBy, Comparison
from sparse_autoencoder.reading.run_view import RunView

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
    check_comparable(a.metadata, b.metadata)
    if asked.id is not None:
        check_range("id", asked.id, 0, a.metadata.num_features - 1)
    return comparison(
        a,
        b,
        sort=asked.sort,
        order=asked.order,
        offset=asked.offset,
        limit=asked.limit,
        min_count=asked.min_count,
        feature_id=asked.id,
    )
