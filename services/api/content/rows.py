"""The endpoints about a dataset's rows: some of them, those with a text, or one whole.

What a row is, is run_rows.py's to say; how long a search may take is said here.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.routing import Route

from services.api.content.payloads import with_live
from services.api.http.caching import RunAnswers
from services.api.http.endpoints import FROM, PROMPT, PROMPTS, PROMPTS_LIMIT, ROW_ID, TEXT
from services.api.http.parameters import Asked
from services.api.http.response_types import Prompt, PromptInfo, PromptList, RowFeature
from services.api.http.routing import routes
from sparse_autoencoder.reading.run_library import RunLibrary
from sparse_autoencoder.reading.run_rows import FiredFeature, ListedRow
from sparse_autoencoder.reading.run_view import RunView

SEARCH_S = 1.0


class PromptsApi:
    """The endpoints about rows, on the runs of a store."""

    def __init__(self, library: RunLibrary, clock: Callable[[], float] = time.monotonic) -> None:
        self._answers = RunAnswers(library)
        self._clock = clock

    def routes(self) -> list[Route]:
        """All endpoints below /api."""
        return routes(self._answers.handlers({PROMPTS: self.prompts, PROMPT: self.prompt}), "/api")

    def prompts(self, asked: Asked, run: RunView) -> PromptList:
        """See PROMPTS."""
        text, limit = asked[TEXT], asked[PROMPTS_LIMIT]
        end = self._clock() + SEARCH_S
        page = run.rows.page(asked[FROM], limit, text, may_go_on=lambda: self._clock() < end)
        answer: PromptList = {
            "run": run.metadata.run_id,
            "prompts": [_prompt(row) for row in page.rows],
            "next": page.next,
            "limit": limit,
            "text": text,
        }
        return with_live(answer, run)

    def prompt(self, asked: Asked, run: RunView) -> PromptInfo:
        """See PROMPT."""
        row = run.rows.row(asked[ROW_ID])
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
