"""How what a run uses has changed since it was recorded. This file knows nothing of what is recorded."""

from __future__ import annotations

from collections.abc import Mapping


def changes(before: Mapping[str, object], now: Mapping[str, object]) -> str:
    """What a description said and says otherwise now, in words; empty if nothing. A `notice` may change."""
    changed = [name for name in before if name != "notice" and before[name] != now.get(name)]
    return ", ".join(f"{name} was {before[name]} and is {now.get(name)}" for name in changed)
