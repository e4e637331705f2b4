"""Token tables the slow and obvious way: from dense latents, with Python's loops and integers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from sparse_autoencoder.summaries.token_samples import TokenSamples
from sparse_autoencoder.summaries.token_table import TokenTable
from tests.support.oracle import OracleWindow, mix

ITSELF = -1  # in the place of a feature: the token itself
STEPS, LARGEST = 2**20, 2**62
Entries = dict[tuple[int, int], tuple[int, int, float]]


def expected_entries(windows: Iterable[OracleWindow], first_counted: int) -> Entries:
    """(count, sum in steps, maximum) of each (token, feature)."""
    found: Entries = {}

    def add(token: int, feature: int, steps: int, a: float) -> None:
        count, total, maximum = found.get((token, feature), (0, 0, 0.0))
        found[token, feature] = count + 1, min(total + steps, LARGEST), max(maximum, a)

    for window in windows:
        for position in window.counted(first_counted):
            token = window.tokens[position]
            add(token, ITSELF, 0, 0.0)
            for feature, a in enumerate(window.latents[position].tolist()):
                if a > 0:
                    add(token, feature, min(round(float(np.float32(a)) * STEPS), LARGEST), float(np.float32(a)))
    return dict(sorted(found.items()))


def entries_of(table: TokenTable) -> Entries:
    """A table's entries; they must be sorted, each pair once."""
    pairs = list(zip(table.token.tolist(), table.feature.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    return dict(
        zip(pairs, zip(table.count.tolist(), table.total.tolist(), table.maximum.tolist(), strict=True), strict=True)
    )


def published_entries(run: Path) -> Entries:
    """The entries in a run's features_by_token.parquet."""
    found: Entries = {}
    for record in pq.read_table(run / "features_by_token.parquet").to_pylist():
        found[record["token_id"], ITSELF] = record["occurrences"], 0, 0.0
        for entry in record["features"]:
            assert (entry["sum_activation"] is None) == (entry["count"] == 1)
            total = entry["max_activation"] if entry["sum_activation"] is None else entry["sum_activation"]
            found[record["token_id"], entry["feature_id"]] = (
                entry["count"],
                min(round(total * STEPS), LARGEST),
                entry["max_activation"],
            )
    assert list(found) == sorted(found)
    return found


def expected_lists(entries: Entries, n_features: int, listed: int) -> list[dict[str, Any]]:
    """What tokens_by_feature.parquet says of each feature."""
    records: list[dict[str, Any]] = []
    by_feature: dict[int, list[tuple[int, int, int, float]]] = {}
    for (token, feature), (count, total, maximum) in entries.items():
        by_feature.setdefault(feature, []).append((-count, token, total, maximum))
    for feature in range(n_features):
        own = sorted(by_feature.get(feature, []))
        firings = -sum(count for count, *_rest in own)
        records.append(
            {
                "feature_id": feature,
                "num_active_tokens": firings,
                "num_distinct_tokens": len(own),
                "effective_tokens": firings**2 / sum(count**2 for count, *_rest in own) if own else 0.0,
                "main_token_share": -own[0][0] / firings if own else 0.0,
                "left_out_tokens": len(own[listed:]),
                "left_out_count": -sum(count for count, *_rest in own[listed:]),
                "left_out_sum": min(sum(total for _count, _token, total, _max in own[listed:]), LARGEST) / STEPS,
                "tokens": [
                    {
                        "token_id": token,
                        "count": -count,
                        "sum_activation": total / STEPS,
                        "max_activation": maximum,
                        "occurrences": entries[token, ITSELF][0],
                    }
                    for count, token, total, maximum in own[:listed]
                ],
            }
        )
    return records


Sample = tuple[int, int, int, int, int, tuple[int, ...]]  # token, draw, row, window, position, features


def expected_samples(windows: Iterable[OracleWindow], first_counted: int, seed: int, per_token: int) -> list[Sample]:
    """The occurrences with the smallest draws, of each token so many."""
    every: list[Sample] = []
    for window in windows:
        for position in window.counted(first_counted):
            draw = mix(mix(mix(seed) ^ window.row_id) ^ (window.number << 32 | position))
            active = tuple(np.flatnonzero(window.latents[position] > 0).tolist())
            every.append((window.tokens[position], draw, window.row_id, window.number, position, active))
    found: list[Sample] = []
    for sample in sorted(every):
        if sum(other[0] == sample[0] for other in found) < per_token:
            found.append(sample)
    return found


def expected_not_firing(
    feature: int, tokens: list[int], samples: list[Sample], shown: int, window_step: int
) -> list[dict[str, Any]]:
    """Where a feature does not fire on some tokens, as tokens_by_feature.parquet says it."""
    found = []
    for token in tokens:
        own = [sample for sample in samples if sample[0] == token]
        quiet = [sample for sample in own if feature not in sample[-1]]
        examples = [
            {"row_id": row, "window_offset": window * window_step, "position": position}
            for _token, _draw, row, window, position, _features in quiet[:shown]
        ]
        numbers = {"token_id": token, "sampled": len(own), "firing": len(own) - len(quiet)}
        found.append(numbers | {"examples": examples})
    return found


def sampled(samples: TokenSamples) -> list[Sample]:
    """Samples in the oracle's terms."""
    columns = (samples.token, samples.draw, samples.row_id, samples.window, samples.position)
    features = np.split(samples.feature, samples.starts[1:-1])[: len(samples)]
    return list(zip(*(column.tolist() for column in columns), (tuple(own.tolist()) for own in features), strict=True))
