"""Token tables the slow and obvious way: from dense latents, with Python's loops and integers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from sparse_autoencoder.summaries.token_table import TokenTable
from tests.support.oracle import OracleWindow

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
        for token, latents in list(zip(window.tokens, window.latents.tolist(), strict=True))[first_counted:]:
            add(token, ITSELF, 0, 0.0)
            for feature, a in enumerate(latents):
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
