"""Advice about a name that doesn't exist."""

import difflib
from collections.abc import Sequence

MOST_NAMED = 20  # of many known names only so many are listed


def did_you_mean(name: str, known: Sequence[str], cutoff: float = 0.6, most: int = MOST_NAMED) -> str:
    """The known name that is most similar, as a question; the known names if none is similar."""
    if (close := closest(name, known, cutoff)) is not None:
        return f"did you mean {close}?"
    more = f" and {len(known) - most:,} more" if len(known) > most else ""
    return f"there are {', '.join(known[:most]) or 'none here'}{more}"


def closest(name: str, known: Sequence[str], cutoff: float = 0.6) -> str | None:
    """The known name that is most similar, whatever its capitals; None if none is similar."""
    by_lower = {one.lower(): one for one in reversed(known)}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[close[0]] if close else None


def suggestion(name: str, known: Sequence[str]) -> str:
    """` (did you mean X?)`, for a sentence that lists the known names itself; nothing if none is similar."""
    close = closest(name, known)
    return "" if close is None else f" (did you mean {close}?)"
