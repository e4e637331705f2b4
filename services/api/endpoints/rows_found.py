"""The endpoints about the rows that a search finds, together: features that they share, and what else to look for."""

import time
from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from services.api.endpoints.rows import SEARCH_S, RowFilters, check_column
from services.api.endpoints.shared_answers import density, token_chips, with_live
from services.api.endpoints.shared_parameters import SearchedText
from services.api.http.caching import OneRun
from services.api.http.endpoint_declaration import Endpoints
from services.api.http.parameters import whole
from services.api.response_types.rows import FoundFeatures, TextParts
from sparse_autoencoder.reading.rows_found import features_of, parts_of, rows_with
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.runs.rows_file_format import FEATURES_PER_ROW

endpoints = Endpoints()


class FoundParameters(RowFilters):
    """The rows that are looked for, and which of their features are listed."""

    min_hits: Annotated[int, whole(1)] = Field(3, description="Rows found that have the feature, at least.")
    limit: Annotated[int, whole(0, 500)] = Field(20, description="How many features, at most.")


class PartsParameters(OneRun):
    """A text."""

    text: SearchedText = Field(description="The text that is nowhere.", examples=["raises price target"])


@endpoints.about_runs("/api/prompts/features")
def features(asked: FoundParameters, run: RunView) -> FoundFeatures:
    """The features that are among the strongest of the rows found more often than of all rows.

    The most surprising first. It answers after about a second, with numbers over the rows searched by then.
    """
    check_column(asked, run)
    return found_features(run, asked)


def found_features(run: RunView, asked: FoundParameters, clock: Callable[[], float] = time.monotonic) -> FoundFeatures:
    """The features of the rows found until SEARCH_S have gone by."""
    end = clock() + SEARCH_S
    found = features_of(run.rows, asked.wanted, run.metadata.num_features, lambda: clock() < end)
    ids = found.over_represented(asked.min_hits)
    share, lift, surprise = found.share(), found.lift(), found.surprise()
    answer: FoundFeatures = {
        "run": run.metadata.run_id,
        "num_found": found.num_found,
        "num_searched": found.num_searched,
        "next": found.next,
        "features_per_row": FEATURES_PER_ROW,
        "min_hits": asked.min_hits,
        "limit": asked.limit,
        "num_matching": len(ids),
        "features": [
            {
                "feature_id": feature,
                "hits": int(found.hits[feature]),
                "share": float(share[feature]),
                "num_rows": int(found.rows[feature]),
                "lift": float(lift[feature]),
                "surprise": float(surprise[feature]),
                "density": density(run, feature),
                "tokens": token_chips(run, feature),
            }
            for feature in ids[: asked.limit].tolist()
        ],
    }
    return with_live(answer, run)


@endpoints.about_runs("/api/prompts/parts")
def parts(asked: PartsParameters, run: RunView) -> TextParts:
    """Shorter texts to look for instead of one that is nowhere, and how many rows have each.

    It answers after about a second, with numbers over the rows searched by then.
    """
    end = time.monotonic() + SEARCH_S
    texts = parts_of(asked.text)
    found = rows_with(run.rows, texts, lambda: time.monotonic() < end)
    answer: TextParts = {
        "run": run.metadata.run_id,
        "text": asked.text,
        "num_searched": found.num_searched,
        "next": found.next,
        "parts": [{"text": text, "num_rows": int(n)} for text, n in zip(texts, found.counts, strict=True)],
    }
    return with_live(answer, run)
