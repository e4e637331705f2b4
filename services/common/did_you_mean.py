"""Advice about a name that doesn't exist."""

import difflib
from collections.abc import Sequence


def did_you_mean(name: str, known: Sequence[str], cutoff: float = 0.6) -> str:
    """The known name that is most similar, as a question; all known names if none is similar."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=cutoff)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(known) or 'none here'}"
