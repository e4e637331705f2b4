"""Answers about the dataset's rows: a stretch of them, searched or not, and one with its tokens."""

from __future__ import annotations

import time
from collections.abc import Callable

from services.api.content.feature_payloads import with_live
from services.api.response_types.rows import Prompt, PromptInfo, PromptList, RowFeature
from sparse_autoencoder.reading.run_rows import FiredFeature, ListedRow
from sparse_autoencoder.reading.run_view import RunView

SEARCH_S = 1.0


def some_rows(
    run: RunView, first: int, limit: int, text: str | None, clock: Callable[[], float] = time.monotonic
) -> PromptList:
    """Rows from `first` on, those with this text if there is one; a search stops after SEARCH_S."""
    end = clock() + SEARCH_S
    page = run.rows.page(first, limit, text, may_go_on=lambda: clock() < end)
    answer: PromptList = {
        "run": run.metadata.run_id,
        "prompts": [_prompt(row) for row in page.rows],
        "next": page.next,
        "limit": limit,
        "text": text,
    }
    return with_live(answer, run)


def one_row(run: RunView, row_id: int) -> PromptInfo:
    """A row with its tokens and its strongest features; NotFoundError if the run has no such row."""
    row = run.rows.row(row_id)
    answer: PromptInfo = {
        "run": run.metadata.run_id,
        "row_id": row.row_id,
        "text": row.text,
        "skipped": row.skipped,
        "tokens": row.tokens,
        "token_ints": row.token_ids,
        "windows": row.windows,
        "features": _features(row.features),
        "previous": row.previous,
        "next": row.next,
    }
    return with_live(answer, run)


def _prompt(row: ListedRow) -> Prompt:
    return {
        "row_id": row.row_id,
        "text": row.text,
        "is_cut": row.is_cut,
        "skipped": row.skipped,
        "features": _features(row.features),
    }


def _features(features: list[FiredFeature]) -> list[RowFeature]:
    return [
        {
            "feature_id": fired.feature_id,
            "activation": fired.activation,
            "token": fired.token,
            "token_str": fired.token_str,
        }
        for fired in features
    ]
