"""What the rows that a search finds have in common: features that are among their strongest more often than elsewhere.

What is counted are rows in which a feature is among the strongest that are stored of each row. The caller decides when
a search has taken too long; the numbers are then those of the rows before that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sparse_autoencoder.reading.run_rows import RunRows, WantedRows, containing
from sparse_autoencoder.utils.numpy_array_ops import Ints

_FEATURE_IDS = "features.list.element.feature_id"
_MOST_WORDS, _MOST_BEGINNINGS, _LEAST_CHARS = 8, 4, 3


@dataclass(frozen=True)
class FoundFeatures:
    """How often each feature is among a row's strongest, in the rows found and in all that were searched."""

    hits: Ints  # [features], of the rows found
    rows: Ints  # [features], of all rows searched
    num_found: int
    num_searched: int
    next: int | None  # the first row that wasn't searched; None if all were

    def share(self) -> NDArray[np.float64]:
        """The share of the rows found."""
        return np.asarray(self.hits / max(self.num_found, 1), np.float64)

    def expected(self) -> NDArray[np.float64]:
        """The hits that there would be if the rows found were like all that were searched."""
        return np.asarray(self.rows * self.num_found / max(self.num_searched, 1), np.float64)

    def lift(self) -> NDArray[np.float64]:
        """Hits by expected hits; 0 for a feature that is nowhere."""
        expected = self.expected()
        return np.divide(self.hits, expected, out=np.zeros(len(expected)), where=expected > 0)

    def surprise(self) -> NDArray[np.float64]:
        """The log-likelihood ratio G² of the table (found or not, feature or not), Dunning 1993."""
        found, others = self.num_found, self.num_searched - self.num_found
        outside = self.rows - self.hits
        observed = np.array([self.hits, found - self.hits, outside, others - outside], np.float64)
        share = self.rows / max(self.num_searched, 1)
        expected = np.array([found * share, found * (1 - share), others * share, others * (1 - share)])
        ratio = np.divide(observed, expected, out=np.ones_like(observed), where=(observed > 0) & (expected > 0))
        surprise: NDArray[np.float64] = np.maximum(2 * (observed * np.log(ratio)).sum(axis=0), 0)
        return surprise

    def over_represented(self, min_hits: int) -> Ints:
        """Ids of the features with more hits than expected, and so many at least; the most surprising first."""
        ids = np.flatnonzero((self.hits >= max(min_hits, 1)) & (self.lift() > 1))
        surprise = self.surprise()[ids]
        return ids[np.lexsort((ids, -surprise))]


def features_of(
    rows: RunRows, which: WantedRows, num_features: int, may_go_on: Callable[[], bool] = lambda: True
) -> FoundFeatures:
    """Count the features of the wanted rows; SaescopeError if a file is missing or damaged."""
    hits, everywhere = np.zeros((2, num_features), np.int64)
    num_found = num_searched = 0

    def count(table: pa.Table) -> None:
        nonlocal num_found, num_searched
        is_row = pc.is_null(table["skipped"]).to_numpy()
        wanted = which.among(table) & is_row
        lists = table["features"].combine_chunks()
        ids = lists.flatten().field("feature_id").to_numpy()
        if len(ids) and not 0 <= ids.min() <= ids.max() < num_features:
            raise ValueError("there are features in it that the run doesn't have")
        is_hit = np.repeat(wanted, pc.fill_null(lists.value_lengths(), 0).to_numpy(zero_copy_only=False))
        np.add(hits, np.bincount(ids[is_hit], minlength=num_features), out=hits)
        np.add(everywhere, np.bincount(ids, minlength=num_features), out=everywhere)
        num_found += int(wanted.sum())
        num_searched += int(is_row.sum())

    following = rows.visit([*which.read, "skipped", _FEATURE_IDS], count, may_go_on)
    return FoundFeatures(hits, everywhere, num_found, num_searched, following)


@dataclass(frozen=True)
class PartCounts:
    """How many rows have each of some texts."""

    counts: Ints  # [texts]
    num_searched: int
    next: int | None  # the first row that wasn't searched; None if all were


def rows_with(rows: RunRows, texts: Sequence[str], may_go_on: Callable[[], bool] = lambda: True) -> PartCounts:
    """Count the rows with each of these texts, ignoring case; SaescopeError if a file is missing or damaged."""
    counts = np.zeros(len(texts), np.int64)
    num_searched = 0

    def count(table: pa.Table) -> None:
        nonlocal num_searched
        np.add(counts, [int(containing(table["text"], text).sum()) for text in texts], out=counts)
        num_searched += len(table) - table["text"].null_count

    following = rows.visit(["text"], count, may_go_on)
    return PartCounts(counts, num_searched, following)


def parts_of(text: str) -> list[str]:
    """Shorter texts to look for: without the last or first word, each word; beginnings of what is one word alone."""
    words = text.split()
    if len(words) == 1:
        word = words[0]
        shorter = [word[:length] for length in range(len(word) - 1, _LEAST_CHARS - 1, -1)]
        parts = [word, *shorter[:_MOST_BEGINNINGS]]
    else:
        parts = [" ".join(words), " ".join(words[:-1]), " ".join(words[1:]), *words[:_MOST_WORDS]]
    return [part for part in dict.fromkeys(parts) if part and part != text]
