"""Kinds of parameters that several groups of endpoints take."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from services.api.http.parameters import Count, text, whole

MAX_FEATURES = 10_000

Order = Annotated[Literal["asc", "desc"], Field(description="Largest or smallest first.")]
Offset = Annotated[Count, Field(description="How many to leave out at the beginning.")]
Limit = Annotated[int, whole(0, MAX_FEATURES), Field(description="How many, at most.")]
SearchedText = Annotated[str, text(1, 1000)]  # what finds a text that long has no use for more
