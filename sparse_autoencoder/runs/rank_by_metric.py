"""Selects a run's features and sorts them, from the run's overview."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from cachetools import LRUCache, cachedmethod
from numpy.typing import NDArray

from sparse_autoencoder.runs.overview_file import Overview
from sparse_autoencoder.runs.token_matches import TokenMatches
from sparse_autoencoder.utils.numpy_array_ops import Ints, Mask

FEATURE_ID, NUM_ACTIVE_TOKENS = "feature_id", "num_active_tokens"
EARLY_SHARE, CUT_SHARE = "early_share", "cut_share"  # see summaries/position_counts.py
BY_POSITION = (EARLY_SHARE, CUT_SHARE)  # sort keys that runs of earlier versions lack
SUGGESTED = "suggested"  # see reading/suggested_order.py
OTHER_SORTS = (FEATURE_ID, NUM_ACTIVE_TOKENS, *BY_POSITION, SUGGESTED)  # sort keys besides the metrics
TOKEN_SHARE = "token_share"  # noqa: S105
"""Sort key with a token filter: the share of a feature's firings that are on the tokens, then the number of these."""
_ORDERS = 8
_SEARCHES = 32


@dataclass(frozen=True)
class Selection:
    """Which features, and in which order. Bounds are inclusive; None is no bound."""

    sort: str  # a metric, one of OTHER_SORTS, or with a token TOKEN_SHARE
    descending: bool = True
    min_density: float | None = None  # active tokens / counted tokens
    max_density: float | None = None
    min_count: int | None = None  # active tokens
    max_count: int | None = None
    token: str | None = None  # only features that fire on a token whose string contains this, ignoring case
    dead: bool = False  # the features that never fired, instead of those that fired
    only: tuple[int, ...] | None = None  # features, of which others are left out


def ranked(values: NDArray[Any], descending: bool = True) -> Ints:
    """Indices sorted by value; ties go to the smaller index."""
    return np.argsort(-values if descending else values, kind="stable")


class Rankings:
    """Rankings of a run's features. Recent orders and searches stay in memory. Several threads may use it.

    `matching` searches for the features for `Selection.token`. `others` compute the values [features] of sort keys that
    are not in the overview.
    """

    def __init__(
        self,
        overview: Overview,
        num_tokens: int,
        matching: Callable[[str], TokenMatches],
        others: Mapping[str, Callable[[], NDArray[Any]]] | None = None,
    ) -> None:
        self._overview = overview
        self._num_tokens = num_tokens
        self._matching = matching
        self._others = others or {}
        self._lock = threading.Lock()
        self._orders: LRUCache[Any, Ints] = LRUCache(_ORDERS)
        self._searches: LRUCache[Any, TokenMatches] = LRUCache(_SEARCHES)

    def ids(self, selection: Selection) -> Ints:
        """Ids of the selected features, in order; KeyError if there is no such sort key."""
        matches = None if selection.token is None else self.matches(selection.token)
        mask = self._mask(selection)
        if matches is not None:
            mask &= matches.listed
        if selection.sort == TOKEN_SHARE and matches is not None:
            order = self._by_share(matches, selection.descending)
        else:
            with self._lock:
                order = self._order(selection.sort, selection.descending)
        return order[mask[order]]

    @cachedmethod(lambda self: self._searches, lock=lambda self: self._lock)  # which is free during a search
    def matches(self, token: str) -> TokenMatches:
        """The features that fire on a token whose string contains this."""
        return self._matching(token)

    def _by_share(self, matches: TokenMatches, descending: bool) -> Ints:
        """All features, sorted by their share of firings on the wanted tokens."""
        share, count = matches.shares(self._overview.statistics.count)
        sign = -1 if descending else 1
        return np.lexsort((np.arange(len(share)), sign * count, sign * share))

    @cachedmethod(lambda self: self._orders)
    def _order(self, sort: str, descending: bool) -> Ints:
        """All features, sorted."""
        return ranked(self._values(sort), descending)

    def _values(self, sort: str) -> NDArray[Any]:
        statistics = self._overview.statistics
        if sort == FEATURE_ID:
            return np.arange(len(statistics.count))
        if sort in self._others:
            return self._others[sort]()
        return statistics.count if sort == NUM_ACTIVE_TOKENS else statistics.metrics[sort]

    def _mask(self, selection: Selection) -> Mask:
        """Mask of the selected features, whatever tokens they fire on: [features]."""
        count = self._overview.statistics.count
        mask = (count == 0) if selection.dead else (count > 0)
        for values, least, most in (
            (count, selection.min_count, selection.max_count),
            (count / max(self._num_tokens, 1), selection.min_density, selection.max_density),
        ):
            if least is not None:
                mask &= values >= least
            if most is not None:
                mask &= values <= most
        if selection.only is not None:
            wanted = np.array(selection.only, np.int64)
            among = np.zeros_like(mask)
            among[wanted[wanted < len(mask)]] = True
            mask &= among
        return mask
