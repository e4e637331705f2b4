"""Where patterns fit in a run's rows: how many tokens, and some of these, drawn at random.

Rows are drawn until they have enough tokens, or so many that end a pattern that looking at each would take long.
Nothing is computed: patterns need only the tokens.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.explanations.examples import Window
from sparse_autoencoder.explanations.minimal_texts import Steps
from sparse_autoencoder.explanations.patterns import Patterns
from sparse_autoencoder.runs.rows_file_format import RowTokens
from sparse_autoencoder.summaries.example_order import token_draws
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.windows import Windows
from sparse_autoencoder.utils.numpy_array_ops import Ints

MOST_TOKENS = 1 << 20
TOKENS_PER_ROW_GROUP = 1 << 15  # so that 32 or more of them are looked through
_MOST_LOOKED_AT = 1 << 17


@dataclass(frozen=True, order=True)
class FittingToken:
    """A token at which a pattern fits, by its draw."""

    draw: int
    tokens: list[int] = field(compare=False)  # of its window, without BOS
    at: int = field(compare=False)
    prediction: float = field(compare=False)


@dataclass
class FittingTokens:
    """What was found in so many rows and counted tokens; BOS isn't among them."""

    num_rows: int = 0
    num_tokens: int = 0
    num_predicted: int = 0
    drawn: list[FittingToken] = field(default_factory=list)


def find_fitting(
    patterns: Patterns[int],
    drawn_rows: Iterable[RowTokens],
    policy: TokenPolicy,
    leave_out: frozenset[Window],
    *,
    seed: int,
    most_drawn: int,
) -> Steps[FittingTokens]:
    """The tokens at which patterns fit, in rows of a run that are drawn; without windows with the texts `leave_out`."""
    found = FittingTokens()
    texts = {np.array(window, np.int32).tobytes() for window in leave_out}
    last_tokens = patterns.last_tokens
    ends = None if last_tokens is None else np.array(sorted(last_tokens), np.int64)
    num_looked_at = 0
    for rows in drawn_rows:
        windows = _without(rows.windows(policy), texts)
        counted, window_of, position = _own_counted(windows, policy)
        found.num_rows += len(np.unique(windows.row_ids))
        found.num_tokens += len(counted)
        may_fit = np.arange(len(counted)) if ends is None else np.flatnonzero(np.isin(windows.tokens[counted], ends))
        num_looked_at += len(may_fit)
        for token in _fitting(patterns, windows, window_of[may_fit], position[may_fit], policy, seed):
            found.num_predicted += 1
            found.drawn.append(token)
        found.drawn = heapq.nsmallest(most_drawn, found.drawn)
        yield min(found.num_tokens, MOST_TOKENS), MOST_TOKENS
        if found.num_tokens >= MOST_TOKENS or num_looked_at >= _MOST_LOOKED_AT:
            break
    return found


def _without(windows: Windows, texts: set[bytes]) -> Windows:
    """The windows that have none of these texts."""
    bounds = zip(windows.starts[:-1].tolist(), windows.starts[1:].tolist(), strict=True)
    kept = [number for number, (begin, end) in enumerate(bounds) if windows.tokens[begin:end].tobytes() not in texts]
    return windows if len(kept) == len(windows) else windows.take(np.array(kept, np.int64))


def _own_counted(windows: Windows, policy: TokenPolicy) -> tuple[Ints, Ints, Ints]:
    """The counted tokens but BOS: their indices, their windows' numbers, and their places in these, without BOS."""
    counted = windows.counted_tokens
    window_of = np.searchsorted(windows.starts, counted, side="right") - 1
    place = counted - windows.starts[window_of] - int(policy.prepends_bos)
    own = place >= 0
    return counted[own], window_of[own], place[own]


def _fitting(
    patterns: Patterns[int], windows: Windows, window_of: Ints, place: Ints, policy: TokenPolicy, seed: int
) -> Iterator[FittingToken]:
    """Those of some tokens, given by window and place in it, at which a pattern fits."""
    draws: NDArray[Any] = token_draws(seed, windows.row_ids[window_of], windows.numbers[window_of], place)
    bos, last, tokens = int(policy.prepends_bos), -1, []
    for window, at, draw in zip(window_of.tolist(), place.tolist(), draws.tolist(), strict=True):
        if window != last:
            tokens = windows.tokens[windows.starts[window] + bos : windows.starts[window + 1]].tolist()
            last = window
        prediction = patterns.predict_at(tokens, at)
        if prediction > 0:
            yield FittingToken(draw, tokens, at, prediction)
