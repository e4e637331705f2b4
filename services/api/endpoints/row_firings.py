"""The endpoint that says what else fires at each token of a row, besides its strongest features."""

from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from services.api.endpoints.rows import RowParameters
from services.api.endpoints.shared_answers import density, max_activation, token_chips, with_live
from services.api.endpoints.shared_parameters import Offset
from services.api.http.endpoint_declaration import Endpoints
from services.api.http.parameters import Count, whole
from services.api.response_types.rows import FiringFeature, RowFirings
from sparse_autoencoder.reading.kept_firings import FiringsOfRow
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.utils.numpy_array_ops import Ints

MOST_TOKENS = 256  # 32 features at each make 60 kB

endpoints = Endpoints()


class FiringsParameters(RowParameters):
    """A stretch of a row's tokens, and which of the features are described."""

    first: Count = Field(0, alias="from", description="The token to begin with, from 0.")
    num_tokens: Annotated[int, whole(1, MOST_TOKENS)] = Field(128, alias="tokens", description="How many, at most.")
    sort: Literal["first", "rarest"] = Field(
        "first", description="The order of the features: by the first of these tokens they fire at, or by density."
    )
    offset: Offset = 0
    limit: Annotated[int, whole(0, 500)] = Field(50, description="How many features, at most.")


@endpoints.about_runs("/api/prompts/{row_id}/firings")
def firings(asked: FiringsParameters, run: RunView) -> RowFirings:
    """Which features fire at each of a row's tokens; for runs with --keep-firings or --save-activations.

    With the latter also how strongly. `features` describes those that aren't among the row's strongest, which
    /api/prompts/{row_id} has.
    """
    found = run.row_firings().of(asked.row_id)
    row = run.rows.row(asked.row_id)
    last = min(asked.first + asked.num_tokens, len(row.tokens))
    others = _others(found, (asked.first, last), [feature.feature_id for feature in row.features])
    if asked.sort == "rarest":
        others = others[np.argsort(run.statistics.count[others], kind="stable")]
    listed = others[asked.offset : asked.offset + asked.limit].tolist()
    strongest = found.strongest(listed)
    bounds = np.searchsorted(found.token, np.arange(asked.first, max(last, asked.first) + 1))
    answer: RowFirings = {
        "run": run.metadata.run_id,
        "row_id": asked.row_id,
        "first": asked.first,
        "marker": found.feature[found.token < 0].tolist(),
        "tokens": [found.feature[begin:end].tolist() for begin, end in pairwise(bounds)],
        "sort": asked.sort,
        "offset": asked.offset,
        "limit": asked.limit,
        "num_features": len(others),
        "features": [_described(run, other, strongest.get(other)) for other in listed],
    }
    if found.value is not None:
        answer["marker_values"] = found.value[found.token < 0].tolist()
        answer["values"] = [found.value[begin:end].tolist() for begin, end in pairwise(bounds)]
    return with_live(answer, run)


def _described(run: RunView, feature_id: int, strongest: tuple[int, float] | None) -> FiringFeature:
    described: FiringFeature = {
        "feature_id": feature_id,
        "max_activation": max_activation(run, feature_id),
        "density": density(run, feature_id),
        "tokens": token_chips(run, feature_id),
    }
    if strongest is not None:
        described["token"], described["activation"] = strongest
    return described


def _others(found: FiringsOfRow, stretch: tuple[int, int], strongest: list[int]) -> Ints:
    """Ids of the features that fire in the stretch or on the marker, but the strongest; by where they fire first."""
    first, last = stretch
    inside = (found.token < 0) | ((found.token >= first) & (found.token < last))
    ids, where = np.unique(found.feature[inside], return_index=True)
    ids = ids[np.argsort(where, kind="stable")]
    return np.asarray(ids[~np.isin(ids, strongest)], np.int64)
