"""The features that a command is about: a list, as 1,5,10-19, or the first ones of the pages' list, as top:20."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.utils.printable import printable

if TYPE_CHECKING:
    from sparse_autoencoder.reading.run_view import RunView

FEATURES_HELP = "features, as in 1,5,10-19, or top:20 for the first ones in the order of the pages' list"
_PART = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_TOP = re.compile(r"top:([1-9][0-9]{0,8})")


def chosen_features(text: str, run: RunView) -> list[int]:
    """The features of a run, each once, in the order of the list; SaescopeError if the text has another form."""
    if (top := _TOP.fullmatch(text)) is not None:
        return _first(run, int(top[1]))
    chosen: dict[int, None] = {}
    num_features = run.metadata.num_features
    for part in text.split(","):
        found = _PART.fullmatch(part.strip())
        if found is None:
            raise SaescopeError(f"--features {printable(text)} is neither a list, as 1,5,10-19, nor top:N, as top:20")
        first, last = int(found[1]), int(found[2] or found[1])
        if not first <= last < num_features:
            raise SaescopeError(
                f"--features {part.strip()}: run {run.metadata.run_id} has the features 0 to {num_features - 1}"
            )
        chosen |= dict.fromkeys(range(first, last + 1))
    return list(chosen)


def _first(run: RunView, count: int) -> list[int]:
    """The first features in the order in which the pages list them."""
    from sparse_autoencoder.runs.rank_by_metric import SUGGESTED, Selection

    sort = SUGGESTED if run.suggests else next(iter(run.metric_descriptions))
    first: list[int] = run.ranking(Selection(sort))[:count].tolist()
    return first
