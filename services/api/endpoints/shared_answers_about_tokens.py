"""Parts of answers about the tokens that features fire on."""

from typing import Any

import numpy as np

from services.api.response_types.tokens import FeatureToken, NotFiring, Place, TokenMatch, TokenSearch, TokenSpread
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.runs.token_matches import TokenCounts, TokenMatches
from sparse_autoencoder.tokens.windows import Windows


def feature_tokens(run: RunView, record: dict[str, Any]) -> list[FeatureToken]:
    """The tokens of a record of `RunView.tokens_of`, most firings first."""
    strings = run.vocabulary.strings(entry["token_id"] for entry in record["tokens"])
    return [
        {
            "token_id": entry["token_id"],
            "token": string,
            "count": entry["count"],
            "share": entry["count"] / record["num_active_tokens"],
            "share_of_occurrences": entry["count"] / entry["occurrences"],
            "mean_activation": entry["sum_activation"] / entry["count"],
            "max_activation": entry["max_activation"],
        }
        for entry, string in zip(record["tokens"], strings, strict=True)
    ]


def token_spread(record: dict[str, Any]) -> TokenSpread:
    """The numbers of a record of `RunView.tokens_of`."""
    return {
        "num_active_tokens": record["num_active_tokens"],
        "num_distinct_tokens": record["num_distinct_tokens"],
        "effective_tokens": record["effective_tokens"],
        "main_token_share": record["main_token_share"],
        "left_out_tokens": record["left_out_tokens"],
        "left_out_count": record["left_out_count"],
        "left_out_sum": record["left_out_sum"],
        "chunks": record["chunks"],
        "of": record["of"],
    }


def not_firing(run: RunView, record: dict[str, Any]) -> list[NotFiring]:
    """Where a feature does not fire on its main tokens, of a record of `RunView.tokens_of`."""
    entries = record["not_firing"]
    rows = {example["row_id"] for entry in entries for example in entry["examples"]}
    windows = run.windows(np.array(sorted(rows), np.int64))
    strings = run.vocabulary.strings(entry["token_id"] for entry in entries)
    return [
        {
            "token_id": entry["token_id"],
            "token": string,
            "sampled": entry["sampled"],
            "firing": entry["firing"],
            "examples": [_place(run, windows, example) for example in entry["examples"]],
        }
        for entry, string in zip(entries, strings, strict=True)
    ]


def _place(run: RunView, windows: Windows, example: dict[str, Any]) -> Place:
    number = example["window_offset"] // run.metadata.policy.window_step
    found = np.flatnonzero((windows.row_ids == example["row_id"]) & (windows.numbers == number))
    if not len(found):
        raise SaescopeError(
            f"run {run.metadata.run_id} can't be shown, row {example['row_id']} in its prompts files is not the row "
            "that was encoded: run it again"
        )
    ids = windows.tokens[windows.starts[found[0]] : windows.starts[found[0] + 1]].tolist()
    return {
        "row_id": example["row_id"],
        "offset": example["window_offset"],
        "idx": example["position"],
        "tokens": run.vocabulary.joined(ids),
        "token_ints": ids,
    }


def token_search(matches: TokenMatches) -> TokenSearch | None:
    """What was searched; None for a run without token tables."""
    counts = matches.counts
    if counts is None:
        return None
    return {"chunks": counts.chunks, "of": counts.of, "occurrences": counts.occurrences}


def token_match(run: RunView, counts: TokenCounts, feature_id: int) -> TokenMatch:
    """How a feature fires on the tokens that were searched for."""
    place = int(counts.feature.searchsorted(feature_id))
    if place == len(counts.feature) or counts.feature[place] != feature_id:  # in chunks that weren't read
        return {"count": 0, "share": 0.0, "share_of_occurrences": 0.0, "max_activation": 0.0}
    count = int(counts.count[place])
    return {
        "count": count,
        "share": count / max(int(run.statistics.count[feature_id]), 1),
        "share_of_occurrences": count / counts.occurrences,
        "max_activation": float(counts.maximum[place]),
    }
