"""Where patterns fit in a run's rows: how many tokens, and some of these, drawn at random.

Rows are drawn until they have enough tokens, or so many that end a pattern that looking at each would take long.
Nothing is computed: patterns need only the tokens.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.explanations.minimal_texts import Steps
from sparse_autoencoder.explanations.patterns import Ending, Patterns
from sparse_autoencoder.runs.rows_file_format import RowTokens
from sparse_autoencoder.summaries.example_order import token_draws
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.windows import Windows
from sparse_autoencoder.utils.numpy_array_ops import Ints

TOKENS_PER_ROW_GROUP = 1 << 15
_MOST_LOOKED_AT = 1 << 17


@dataclass(frozen=True, order=True)
class FittingToken:
    """A token at which a pattern fits, by its draw."""

    draw: int
    tokens: list[int] = field(compare=False)  # of its window, without BOS
    at: int = field(compare=False)
    pattern: Ending = field(compare=False)


@dataclass
class FittingTokens:
    """What was found in so many rows and counted tokens; BOS isn't among them."""

    num_rows: int = 0
    num_tokens: int = 0
    num_predicted: int = 0
    drawn: list[FittingToken] = field(default_factory=list)


@dataclass(frozen=True)
class Search:
    """Where is looked, and what is drawn of what is found."""

    policy: TokenPolicy
    wanted: Callable[[bytes], bool]  # whether a window is looked through, by its token ids' bytes (window_bytes)
    seed: int
    most_tokens: int  # to look through
    most_drawn: int  # of all tokens at which a pattern fits, or, if `of_each`, of those of each pattern
    of_each: bool = False


def find_fitting(patterns: Patterns[int], drawn_rows: Iterable[RowTokens], search: Search) -> Steps[FittingTokens]:
    """The tokens at which patterns fit, in rows of a run that are drawn."""
    found = FittingTokens()
    last_tokens = patterns.last_tokens
    ends = None if last_tokens is None else np.array(sorted(last_tokens), np.int64)
    num_looked_at = 0
    for rows in drawn_rows:
        windows = _wanted(rows.windows(search.policy), search.wanted)
        counted, window_of, place = _own_counted(windows, search.policy)
        found.num_rows += len(np.unique(windows.row_ids))
        found.num_tokens += len(counted)
        may_fit = np.arange(len(counted)) if ends is None else np.flatnonzero(np.isin(windows.tokens[counted], ends))
        num_looked_at += len(may_fit)
        fitting = list(_fitting(patterns, windows, window_of[may_fit], place[may_fit], search))
        found.num_predicted += len(fitting)
        found.drawn = _drawn([*found.drawn, *fitting], search)
        yield min(found.num_tokens, search.most_tokens), search.most_tokens
        if found.num_tokens >= search.most_tokens or num_looked_at >= _MOST_LOOKED_AT:
            break
    return found


def window_bytes(window: Sequence[int]) -> bytes:
    """A window's token ids, with BOS, as bytes: what is equal for windows of the same text."""
    return np.array(window, np.int32).tobytes()


def _drawn(tokens: list[FittingToken], search: Search) -> list[FittingToken]:
    """Those with the smallest draws, in all or of each pattern."""
    groups: dict[int, list[FittingToken]] = {}
    for token in tokens:
        groups.setdefault(id(token.pattern) if search.of_each else 0, []).append(token)
    return [token for group in groups.values() for token in heapq.nsmallest(search.most_drawn, group)]


def _wanted(windows: Windows, wanted: Callable[[bytes], bool]) -> Windows:
    """The windows that are looked through."""
    bounds = zip(windows.starts[:-1].tolist(), windows.starts[1:].tolist(), strict=True)
    kept = [number for number, (begin, end) in enumerate(bounds) if wanted(windows.tokens[begin:end].tobytes())]
    return windows if len(kept) == len(windows) else windows.take(np.array(kept, np.int64))


def _own_counted(windows: Windows, policy: TokenPolicy) -> tuple[Ints, Ints, Ints]:
    """The counted tokens but BOS: their indices, their windows' numbers, and their places in these, without BOS."""
    counted = windows.counted_tokens
    window_of = np.searchsorted(windows.starts, counted, side="right") - 1
    place = counted - windows.starts[window_of] - int(policy.prepends_bos)
    own = place >= 0
    return counted[own], window_of[own], place[own]


def _fitting(
    patterns: Patterns[int], windows: Windows, window_of: Ints, place: Ints, search: Search
) -> Iterator[FittingToken]:
    """Those of some tokens, given by window and place in it, at which a pattern fits."""
    draws: NDArray[Any] = token_draws(search.seed, windows.row_ids[window_of], windows.numbers[window_of], place)
    bos, last, tokens = int(search.policy.prepends_bos), -1, []
    for window, at, draw in zip(window_of.tolist(), place.tolist(), draws.tolist(), strict=True):
        if window != last:
            tokens = windows.tokens[windows.starts[window] + bos : windows.starts[window + 1]].tolist()
            last = window
        pattern = patterns.fitting(tokens, at)
        if pattern is not None:
            yield FittingToken(draw, tokens, at, pattern)
