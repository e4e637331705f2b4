"""The endpoint that says which features fire at the same tokens as a given one."""

from typing import Annotated, Literal

from pydantic import Field

from services.api.endpoints.shared_answers import with_live
from services.api.endpoints.shared_parameters import FeatureId, Limit, check_feature_id
from services.api.http.caching import OneRun
from services.api.http.endpoint_declaration import Endpoints
from services.api.http.parameters import Count
from services.api.http.table_answers import AsTable
from services.api.response_types.together import FiringTogether
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.runs.rank_by_metric import ranked

endpoints = Endpoints()


class TogetherParameters(OneRun, AsTable):
    """A feature, and which others are listed."""

    id: FeatureId
    support: Annotated[Count, Field(description="Tokens at which both fire, at least.")] = 10
    sort: Annotated[
        Literal["jaccard", "lift", "precision", "recall", "together"],
        Field(description="What orders the list, largest first; together is the number of tokens at which both fire."),
    ] = "jaccard"
    limit: Limit = 50


@endpoints.about_runs("/api/together", table="features")
def together(asked: TogetherParameters, run: RunView) -> FiringTogether:
    """The features that fire at the same tokens as one; for runs with --keep-firings or --save-activations."""
    feature_id = check_feature_id(asked.id, run)
    found = run.firings().together(feature_id)
    numbers = {
        "jaccard": found.jaccard(),
        "lift": found.lift(),
        "precision": found.precision(),
        "recall": found.recall(),
        "together": found.together,
    }
    ids = found.supported(asked.support)
    ids = ids[ranked(numbers[asked.sort][ids])]
    answer: FiringTogether = {
        "run": run.metadata.run_id,
        "feature_id": feature_id,
        "support": asked.support,
        "sort": asked.sort,
        "limit": asked.limit,
        "num_active_tokens": found.own,
        "num_tokens": found.num_tokens,
        "num_matching": len(ids),
        "features": [
            {
                "feature_id": other,
                "num_together": int(found.together[other]),
                "num_active_tokens": int(found.count[other]),
                "jaccard": float(numbers["jaccard"][other]),
                "lift": float(numbers["lift"][other]),
                "precision": float(numbers["precision"][other]),
                "recall": float(numbers["recall"][other]),
            }
            for other in ids[: asked.limit].tolist()
        ],
    }
    if found.num_chunks < found.of_chunks:
        answer["covers"] = (
            f"counting all takes too long: these numbers, also those of each feature, are of the first "
            f"{found.num_chunks:,} of {found.of_chunks:,} chunks, with {found.num_tokens:,} tokens"
        )
    return with_live(answer, run)
