"""What the computing parts of a simulation met with."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(eq=False)
class Happened:
    """What the computing parts met with: what a run may be failed for, or a chunk."""

    source_failures: Counter[str] = field(default_factory=Counter)  # by run
    partials_damaged: Counter[str] = field(default_factory=Counter)
    mixed_up: list[str] = field(default_factory=list)  # rows that are another chunk's
    rows_damaged: set[str] = field(default_factory=set)
    read_breaks: Counter[str] = field(default_factory=Counter)
    merge_breaks: Counter[str] = field(default_factory=Counter)
    hung: Counter[tuple[str, int]] = field(default_factory=Counter)
    state_damaged: dict[str, str] = field(default_factory=dict)  # by run, the state's key
    source_changed: set[str] = field(default_factory=set)
    model_failures: Counter[str] = field(default_factory=Counter)
    raised: Counter[tuple[str, int]] = field(default_factory=Counter)  # by run and chunk
    given_up: set[tuple[str, int]] = field(default_factory=set)
    nothing_to_publish: set[str] = field(default_factory=set)
