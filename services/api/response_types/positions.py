"""Parts of answers about where in their windows features fire."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict


class TokensAtPositions(TypedDict):
    """A run's counted tokens at some positions; a token's position is the number of tokens before it."""

    windows: Annotated[Literal["first", "later"], Field(description="A row's first window, or its others.")]
    first: int
    last: Annotated[int | None, Field(description="Null if there is no limit.")]
    num_tokens: Annotated[int, Field(description="Counted tokens of the run there.")]


class PositionRange(TokensAtPositions):
    """How often the feature fires at some positions."""

    num_active_tokens: int


class Positions(TypedDict):
    """Where in its windows a feature fires; a BOS that is prepended is at position 0."""

    early_share: Annotated[float, Field(description="Share of its firings at positions 0 and 1.")]
    early_share_of_tokens: Annotated[float, Field(description="Share of the run's counted tokens there.")]
    cut_share: Annotated[float, Field(description="Share of its firings at positions 0 and 1 of rows' later windows.")]
    cut_share_of_tokens: Annotated[float, Field(description="Share of the run's counted tokens there.")]
    ranges: list[PositionRange]
