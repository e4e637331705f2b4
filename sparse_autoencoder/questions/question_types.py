"""What can be asked of a run's models: the questions, as JSON carries them from the API to whoever holds the models.

A question names a run and what is wanted of it; texts of the run itself stay in the store. What is answered is in
answer_types.py.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MOST_CHARACTERS = 20_000
MOST_TOKENS = 1024  # of a text, or of a stretch of a row; with 32 features at each they make 500 kB
MOST_NEW_TOKENS = 200  # generated at once

Text = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]
Feature = Annotated[int, Field(ge=0)]


class _Wanted(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class EncodeText(_Wanted):
    """Which features fire at each token of a text."""

    kind: Literal["encode_text"] = "encode_text"
    text: Text


class EncodeRow(_Wanted):
    """Which features fire at each token of a stretch of one of the run's rows."""

    kind: Literal["encode_row"] = "encode_row"
    row_id: Annotated[int, Field(ge=0)]
    first: Annotated[int, Field(ge=0)] = 0
    num_tokens: Annotated[int, Field(ge=1, le=MOST_TOKENS)] = MOST_TOKENS


class AblateFeature(_Wanted):
    """What a feature's activation at the boxed token of each of its shown examples does to later predictions."""

    kind: Literal["ablate_feature"] = "ablate_feature"
    feature_id: Feature


class Steer(_Wanted):
    """Text generated with a feature turned up or down, beside the text generated without."""

    kind: Literal["steer"] = "steer"
    feature_id: Feature
    prompt: Text
    mode: Literal["set", "add"] = "set"
    strength: float  # in units of the feature's activation
    num_tokens: Annotated[int, Field(ge=1, le=MOST_NEW_TOKENS)] = 40
    temperature: Annotated[float, Field(ge=0, le=10)] = 0.0  # 0: the likeliest token each time
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0


class ExplainByGraph(_Wanted):
    """Which patterns of tokens a feature fires on (neuron-to-graph), and how well they predict it."""

    kind: Literal["explain_by_graph"] = "explain_by_graph"
    feature_id: Feature


Wanted = Annotated[
    EncodeText | EncodeRow | AblateFeature | Steer | ExplainByGraph,
    Field(discriminator="kind"),
]


class Question(BaseModel):
    """A question about a run's models."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    run_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,199}$")]
    wanted: Wanted
