"""Answers about features that fire at the same tokens."""

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from services.api.response_types.features import Live


class FiresWithIt(TypedDict):
    """Another feature, and how often both fire at a token."""

    feature_id: int
    num_together: Annotated[int, Field(description="Tokens at which both fire.")]
    num_active_tokens: Annotated[int, Field(description="Tokens at which the other one fires.")]
    jaccard: Annotated[float, Field(description="num_together by the tokens at which one of them fires.")]
    lift: Annotated[float, Field(description="How many times as often as if they had nothing to do with each other.")]
    precision: Annotated[float, Field(description="num_together by the tokens at which the asked one fires.")]
    recall: Annotated[float, Field(description="num_together by the tokens at which the other one fires.")]


class FiringTogether(Live):
    """What fires with a feature."""

    run: str
    feature_id: int
    support: int
    sort: str
    limit: int
    num_active_tokens: Annotated[int, Field(description="Tokens at which the feature fires.")]
    num_tokens: Annotated[int, Field(description="Tokens that were counted.")]
    num_matching: Annotated[int, Field(description="Features with enough support: the length of the whole list.")]
    features: list[FiresWithIt]
    covers: NotRequired[Annotated[str, Field(description="What the numbers cover, if not the whole run.")]]
