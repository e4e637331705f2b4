"""The endpoints about the dataset's rows, which are called prompts as in the original: some of them, and one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.api.content.rows import one_row, some_rows
from services.api.endpoints.shared_parameters import SearchedText
from services.api.http.caching import OneRun
from services.api.http.endpoint_declaration import Endpoints
from services.api.http.parameters import Count, whole
from services.api.response_types.rows import PromptInfo, PromptList
from sparse_autoencoder.reading.run_view import RunView

endpoints = Endpoints()


class RowsParameters(OneRun):
    """Some rows."""

    first: Count = Field(
        0, alias="from", description="The row to begin with; if there is none of this id, the next one."
    )
    limit: Annotated[int, whole(1, 1000)] = Field(50, description="How many, at most.")
    text: SearchedText | None = Field(None, description="Rows whose text contains this, ignoring case.")


class RowParameters(OneRun):
    """One row."""

    row_id: Count = Field(description="The row.")


@endpoints.about_runs("/api/prompts")
def rows(asked: RowsParameters, run: RunView) -> PromptList:
    """Some rows of the dataset.

    A search for text answers after about a second with what it has found; `next` goes on.
    """
    return some_rows(run, asked.first, asked.limit, asked.text)


@endpoints.about_runs("/api/prompts/{row_id}")
def row(asked: RowParameters, run: RunView) -> PromptInfo:
    """A row with its tokens and its strongest features."""
    return one_row(run, asked.row_id)
