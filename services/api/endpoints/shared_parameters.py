"""Kinds of parameters that several groups of endpoints take."""

from typing import Annotated, Literal

from pydantic import Field

from services.api.http.parameters import AnyInteger, Count, check_range, text, whole
from sparse_autoencoder.reading.run_view import RunView

MAX_FEATURES = 10_000

Order = Annotated[Literal["asc", "desc"], Field(description="Largest or smallest first.")]
Offset = Annotated[Count, Field(description="How many to leave out at the beginning.")]
Limit = Annotated[int, whole(0, MAX_FEATURES), Field(description="How many, at most.")]
SearchedText = Annotated[str, text(1, 1000)]  # what finds a text that long has no use for more
FeatureId = Annotated[
    AnyInteger, Field(description="The feature, from 0 to before the number of the run's features.", examples=[12])
]


def check_feature_id(feature_id: int, run: RunView) -> int:
    """The feature's id; BadRequest if the run has no such feature."""
    return check_range("id", feature_id, 0, run.metadata.num_features - 1)
