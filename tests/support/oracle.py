"""What latents, windows and summaries must be, worked out the slow and obvious way in float64.

Written with Python loops, lists and dictionaries, so that it shares no trick with the code that it checks. It knows
nothing of files or language models: hidden states come in, and what is expected of each feature comes out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

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
    uncounted: int = 0  # positions that don't count besides those that never do: an earlier window has counted them
    begin: int = 0  # where its first own token is in its row

    def counted(self, first_counted: int) -> range:
        """The positions that count."""
        return range(first_counted + self.uncounted, len(self.tokens))

    @property
    def text(self) -> tuple[object, ...]:
        """What it shows: windows that show the same are equal in this."""
        return (*self.tokens, "from", self.uncounted)


@dataclass(frozen=True)
class OracleExample:
    value: float
    row_id: int
    window: int
    position: int
    token: int  # the token id at `position`
    acts: tuple[float, ...]  # one per token of the window


@dataclass
class OracleFeature:
    sums: list[Fraction] = field(default_factory=lambda: [Fraction(0)] * 4)
    count: int = 0
    maximum: float = 0.0
    histogram: Counter[int] = field(default_factory=Counter)
    top: list[OracleExample] = field(default_factory=list)
    random: list[OracleExample] = field(default_factory=list)
    bands: dict[int, list[OracleExample]] = field(default_factory=dict)


def cut_row(
    tokens: Sequence[int], max_tokens: int, bos: int | None, long_rows: str, context: int = 0
) -> list[list[int]]:
    """A row's windows; `bos` is prepended to each unless it is None."""
    before = [] if bos is None else [bos]
    windows = []
    counted = 0
    while counted < len(tokens):
        begin = max(counted - context, 0)
        own = list(tokens[begin : begin + max_tokens - len(before)])
        windows.append(before + own)
        counted = begin + len(own)
        if long_rows == "truncate":
            break
    return windows


def windows_of_row(
    row_id: int,
    tokens: Sequence[int],
    policy: WindowPolicy,
    latents_of: Callable[[tuple[int, ...]], NDArray[np.float64]],
) -> list[OracleWindow]:
    """A row's windows with their latents."""
    windows: list[OracleWindow] = []
    counted = 0
    for number, window in enumerate(
        cut_row(tokens, policy.max_tokens, policy.bos_token, policy.long_rows, policy.context)
    ):
        n_bos = int(policy.bos_token is not None)
        context = policy.context if number else 0
        never = policy.first_counted
        uncounted = context + n_bos - never if context else 0
        windows.append(OracleWindow(row_id, number, window, latents_of(tuple(window)), uncounted, counted - context))
        counted += len(window) - n_bos - context
    return windows


@dataclass(frozen=True)
class WindowPolicy:
    """How rows are cut into windows."""

    max_tokens: int
    bos_token: int | None
    long_rows: str
    first_counted: int
    context: int = 0


def normalised(vectors: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Vectors [..., n] less their mean, by their unbiased standard deviation + 1e-5; the mean; the deviation."""
    x = np.asarray(vectors, np.float64)
    mu = x.sum(axis=-1, keepdims=True) / x.shape[-1]
    std = np.sqrt(((x - mu) ** 2).sum(axis=-1, keepdims=True) / (x.shape[-1] - 1))
    return (x - mu) / (std + 1e-5), mu, std


def pre_activations(state: Mapping[str, Any], inputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """W_enc (x - b_pre) + b of already normalised inputs [batch, n_inputs]: [batch, n_latents]."""
    weight, pre_bias, bias = (
        np.asarray(state[name], np.float64) for name in ("encoder.weight", "pre_bias", "latent_bias")
    )
    return np.stack([weight @ (x - pre_bias) + bias for x in inputs])


def dense_latents(state: Mapping[str, Any], vectors: NDArray[Any]) -> NDArray[np.float64]:
    """Latents [batch, n_latents] of vectors [batch, n_inputs], by the definition of OpenAI's autoencoders."""
    if state["activation"] != "TopK":
        return np.maximum(pre_activations(state, np.asarray(vectors, np.float64)), 0.0)
    pre = pre_activations(state, normalised(vectors)[0])
    latents = np.zeros_like(pre)
    for row, values in enumerate(pre):
        for latent in sorted(range(len(values)), key=lambda i: -values[i])[: state["activation_state_dict"]["k"]]:
            latents[row, latent] = max(values[latent], 0.0)
    return latents


def strongest_of_row(windows: Sequence[OracleWindow], first_counted: int, bos: int, how_many: int) -> list[Any]:
    """A row's strongest features: (feature, activation, token of the row or -1 for BOS), from all of its windows.

    `bos` is how many BOS tokens a window begins with.
    """
    best: dict[int, tuple[float, int]] = {}
    for window in windows:
        for position in window.counted(first_counted):
            token = -1 if position < bos else window.begin + position - bos
            for feature, a in enumerate(window.latents[position].tolist()):
                if a > best.get(feature, (0.0, 0))[0]:
                    best[feature] = (a, token)
    ranked = sorted(best.items(), key=lambda item: (-item[1][0], item[0]))
    return [(feature, a, token) for feature, (a, token) in ranked[:how_many]]


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
        counted = window.counted(first_counted)
        column = [float(a) if p in counted else 0.0 for p, a in enumerate(window.latents[:, feature])]
        acts = tuple(a if a > 0 else 0.0 for a in column)
        for position, a in enumerate(acts):
            if a <= 0:
                continue
            found.count += 1
            found.maximum = max(found.maximum, a)
            found.histogram[math.ceil(a / 0.2)] += 1
            found.sums = [total + Fraction(a) ** (power + 1) for power, total in enumerate(found.sums)]
            activations.append(
                (window, OracleExample(a, window.row_id, window.number, position, window.tokens[position], acts))
            )
    strongest = sorted(activations, key=lambda item: (-item[1].value, item[1].row_id, item[1].window, item[1].position))
    found.top = first_texts(strongest, per_feature)
    found.random = [example for _window, example in drawn(activations, seed, feature)[:per_feature]]
    for band in sorted({band_of(example.value) for _window, example in activations}):
        own = [item for item in activations if band_of(item[1].value) == band]
        found.bands[band] = first_texts(drawn(own, seed, feature * 32 + band), PER_BAND)
    return found


def firings_by_position(windows: list[OracleWindow], feature: int, first_counted: int) -> Counter[tuple[str, int]]:
    """How often a feature fires, by kind of window and first position of the range."""
    return Counter(
        place_of(window, position)
        for window in windows
        for position in window.counted(first_counted)
        if window.latents[position, feature] > 0
    )


def place_of(window: OracleWindow, position: int) -> tuple[str, int]:
    """Whether it is its row's first window or a later one, and the first position of 0, 1, 2-3, 4-7, ..., 32-."""
    return "later" if window.number else "first", max(p for p in (0, 1, 2, 4, 8, 16, 32) if p <= position)


PER_BAND = 2


def band_of(a: float) -> int:
    """Band 0 is up to 0.2, band 1 up to 0.4, band 2 up to 0.8, ... by the histogram's bins."""
    bin_number, band = math.ceil(a / 0.2), 0
    while bin_number > 2**band:
        band += 1
    return band


def first_texts(ranked: list[tuple[OracleWindow, OracleExample]], how_many: int) -> list[OracleExample]:
    """The first examples that have different texts."""
    chosen: dict[tuple[object, ...], OracleExample] = {}
    for window, example in ranked:
        chosen.setdefault(window.text, example)
    return list(chosen.values())[:how_many]


def drawn(
    items: list[tuple[OracleWindow, OracleExample]], seed: int, number: int
) -> list[tuple[OracleWindow, OracleExample]]:
    """Sorted by draw."""
    return sorted(items, key=lambda item: draw(seed, number, item[1].row_id, item[1].window, item[1].position))
