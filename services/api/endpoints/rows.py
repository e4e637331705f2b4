"""The endpoints about the dataset's rows, which are called prompts as in the original: some of them, and one."""

import time
from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from services.api.endpoints.shared_answers import density, max_activation, token_chips, with_live
from services.api.endpoints.shared_parameters import SearchedText
from services.api.http.caching import OneRun
from services.api.http.endpoint_declaration import Endpoints
from services.api.http.json_answers import BadRequest
from services.api.http.parameters import Count, whole
from services.api.response_types.rows import DescribedRowFeature, Prompt, PromptInfo, PromptList, RowFeature
from sparse_autoencoder.reading.run_rows import FiredFeature, ListedRow, WantedRows
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.utils.printable import listed, printable

SEARCH_S = 1.0

endpoints = Endpoints()


class RowFilters(OneRun):
    """Which rows are looked for."""

    text: SearchedText | None = Field(None, description="Rows whose text contains this, ignoring case.")
    column: SearchedText | None = Field(None, description="A column that the run keeps, for value and contains.")
    value: SearchedText | None = Field(None, description="Rows with this value in the column.")
    contains: SearchedText | None = Field(None, description="Rows whose column contains this, ignoring case.")

    @property
    def wanted(self) -> WantedRows:
        """The rows that are asked for."""
        return WantedRows(self.text, self.column, self.value, self.contains)


class RowsParameters(RowFilters):
    """Some rows."""

    first: Count = Field(
        0, alias="from", description="The row to begin with; if there is none of this id, the next one."
    )
    limit: Annotated[int, whole(1, 1000)] = Field(50, description="How many, at most.")


class RowParameters(OneRun):
    """One row."""

    row_id: Count = Field(description="The row.")


@endpoints.about_runs("/api/prompts")
def rows(asked: RowsParameters, run: RunView) -> PromptList:
    """Some rows of the dataset.

    A search answers after about a second with what it has found; `next` goes on.
    """
    check_column(asked, run)
    return some_rows(run, asked.first, asked.limit, asked.wanted)


def check_column(asked: RowFilters, run: RunView) -> None:
    """BadRequest unless the column that is asked for is one that the run keeps, and something is asked of it."""
    kept = run.metadata.options.columns.names
    if asked.column is None:
        if asked.value is not None or asked.contains is not None:
            raise BadRequest("value and contains are about a column; name it with column=")
        return
    if asked.column not in kept:
        has = f"it keeps {listed(kept)}" if kept else "it keeps none; start one with --keep-columns"
        raise BadRequest(f"run {run.metadata.run_id} has no column {printable(asked.column)}: {has}")
    if asked.value is None and asked.contains is None:
        raise BadRequest(f"say what column {printable(asked.column)} is to have, with value= or contains=")


def some_rows(
    run: RunView, first: int, limit: int, wanted: WantedRows, clock: Callable[[], float] = time.monotonic
) -> PromptList:
    """The wanted rows from `first` on; a search stops after SEARCH_S."""
    end = clock() + SEARCH_S
    page = run.rows.page(first, limit, wanted, may_go_on=lambda: clock() < end)
    answer: PromptList = {
        "run": run.metadata.run_id,
        "prompts": [_prompt(row, run) for row in page.rows],
        "next": page.next,
        "limit": limit,
        "text": wanted.text,
    }
    return with_live(answer, run)


@endpoints.about_runs("/api/prompts/{row_id}")
def row(asked: RowParameters, run: RunView) -> PromptInfo:
    """A row with its tokens and its strongest features."""
    found = run.rows.row(asked.row_id)
    answer: PromptInfo = {
        "run": run.metadata.run_id,
        "row_id": found.row_id,
        "text": found.text,
        "skipped": found.skipped,
        "tokens": found.tokens,
        "token_ints": found.token_ids,
        "windows": found.windows,
        "features": [_described(feature, run) for feature in found.features],
        "keeps_firings": run.metadata.options.keeps_firings,
        "columns": found.columns,
        "previous": found.previous,
        "next": found.next,
    }
    return with_live(answer, run)


def _prompt(row: ListedRow, run: RunView) -> Prompt:
    return {
        "row_id": row.row_id,
        "text": row.text,
        "is_cut": row.is_cut,
        "skipped": row.skipped,
        "features": [_fired(feature, run) for feature in row.features],
        "columns": row.columns,
    }


def _described(feature: FiredFeature, run: RunView) -> DescribedRowFeature:
    return {
        **_fired(feature, run),
        "density": density(run, feature.feature_id),
        "tokens": token_chips(run, feature.feature_id),
    }


def _fired(feature: FiredFeature, run: RunView) -> RowFeature:
    return {
        "feature_id": feature.feature_id,
        "activation": feature.activation,
        "token": feature.token,
        "token_str": feature.token_str,
        "max_activation": max_activation(run, feature.feature_id),
    }
