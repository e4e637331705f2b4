"""What a summary must be, worked out the slow and obvious way from dense latents in float64.

Written with Python loops, lists and dictionaries, so that it shares no trick with the code that it checks.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

MASK = (1 << 64) - 1


@dataclass
class OracleWindow:
    """One window: where it is from, its tokens, and its dense latents [token, feature]."""

    row_id: int
    number: int
    tokens: list[int]
    latents: NDArray[np.float64]


@dataclass(frozen=True)
class OracleExample:
    value: float
    row_id: int
    window: int
    position: int
    acts: tuple[float, ...]  # one per token of the window


@dataclass
class OracleFeature:
    sums: list[Fraction] = field(default_factory=lambda: [Fraction(0)] * 4)
    count: int = 0
    maximum: float = 0.0
    histogram: Counter[int] = field(default_factory=Counter)
    top: list[OracleExample] = field(default_factory=list)
    random: list[OracleExample] = field(default_factory=list)


def mix(x: int) -> int:
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def draw(seed: int, feature: int, row_id: int, window: int, position: int) -> int:
    token = mix(mix(mix(seed) ^ row_id) ^ (window << 32 | position))
    return mix(token ^ (feature * 0x9E3779B97F4A7C15 & MASK))


def summarise_feature(
    windows: list[OracleWindow], feature: int, first_counted: int, per_feature: int, seed: int
) -> OracleFeature:
    found = OracleFeature()
    activations: list[tuple[OracleWindow, OracleExample]] = []
    for window in windows:
        column = [float(a) if p >= first_counted else 0.0 for p, a in enumerate(window.latents[:, feature])]
        acts = tuple(a if a > 0 else 0.0 for a in column)
        for position, a in enumerate(acts):
            if a <= 0:
                continue
            found.count += 1
            found.maximum = max(found.maximum, a)
            found.histogram[math.ceil(a / 0.2)] += 1
            found.sums = [total + Fraction(a) ** (power + 1) for power, total in enumerate(found.sums)]
            activations.append((window, OracleExample(a, window.row_id, window.number, position, acts)))
    strongest = sorted(activations, key=lambda item: (-item[1].value, item[1].row_id, item[1].window, item[1].position))
    texts: set[tuple[int, ...]] = set()
    for window, example in strongest:
        if tuple(window.tokens) not in texts and len(texts) < per_feature:
            texts.add(tuple(window.tokens))
            found.top.append(example)
    drawn = sorted(
        activations,
        key=lambda item: draw(seed, feature, item[1].row_id, item[1].window, item[1].position),
    )
    found.random = [example for _window, example in drawn[:per_feature]]
    return found
