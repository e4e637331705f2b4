"""Small random datasets of windows with activations, and a summary's features in the oracle's terms."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from sparse_autoencoder.data.row_sets import RowSetsOfSource
from sparse_autoencoder.data.text_repeats import text_hashes
from sparse_autoencoder.summaries.example_arrays import Examples
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec
from sparse_autoencoder.summaries.position_counts import FIRST_POSITIONS, KINDS
from sparse_autoencoder.summaries.strength_bands import BANDS
from sparse_autoencoder.summaries.summarise_numpy import BlockSummariser, SparseActivations
from sparse_autoencoder.summaries.text_sums import RowTexts
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.windows import Windows, windows_of
from sparse_autoencoder.utils.numpy_array_ops import mix
from tests.support.oracle import (
    OracleExample,
    OracleFeature,
    OracleWindow,
    firings_by_position,
    place_of,
    summarise_feature,
)

# Few distinct activations, tokens and features, so that ties, repeated texts and full lists are common.
activations = st.sampled_from([0.0, 0.0, 0.0, 0.1, 0.2, 0.2000001, 0.4, 1.0, 1.0, 3.7, 250.0])


@st.composite
def datasets(draw: st.DrawFn, n_features: int = 3, max_rows: int = 8, context: int = 0) -> list[OracleWindow]:
    """Windows of consecutive rows (ids ascending, with gaps); the latents depend on the window's tokens alone.

    Of rows' later windows, up to `context` positions don't count.
    """
    seed = draw(st.integers(0, 2**32 - 1))
    windows = []
    row_id = 0
    for _ in range(draw(st.integers(1, max_rows))):
        row_id += draw(st.integers(1, 3))
        for number in range(draw(st.integers(1, 2))):
            tokens = [0, *draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))]
            random = np.random.default_rng([seed, *tokens])
            choices = np.array([0.0, 0.0, 0.0, 0.1, 0.2, 0.2000001, 0.4, 1.0, 3.7, 250.0], np.float32)
            latents = random.choice(choices, (len(tokens), n_features)).astype(np.float64)
            uncounted = min(context if number else 0, len(tokens) - 2)
            windows.append(OracleWindow(row_id, number, tokens, latents, uncounted))
    return windows


def to_windows(windows: list[OracleWindow], first_counted: int = 1) -> Windows:
    """The same windows in the library's flat form."""
    tokens = [token for window in windows for token in window.tokens]
    starts = np.cumsum([0, *(len(window.tokens) for window in windows)])
    whole = TokenPolicy(bos_token_id=0, bos="none", max_tokens=1 << 20)
    rows = np.array([window.row_id for window in windows], np.int64)
    flat = windows_of(rows, np.array(tokens, np.int32), starts.astype(np.int64), whole)
    numbers = np.array([window.number for window in windows], np.int32)
    uncounted = np.array([window.uncounted for window in windows], np.int32)
    hashes = np.where(uncounted > 0, mix(flat.token_hashes ^ uncounted.astype(np.uint64)), flat.token_hashes)
    return Windows(flat.row_ids, numbers, flat.tokens, flat.starts, hashes, uncounted + np.int32(first_counted))


def rows_of(windows: list[OracleWindow], first_counted: int, source: RowSetsOfSource | None = None) -> RowTexts:
    """What sums over texts need to know of the windows' rows; a row's text is its tokens, as `text_of` writes them."""
    rows = sorted({window.row_id for window in windows})
    hashes = text_hashes(text_of(windows, row_id) for row_id in rows)
    groups = None if source is None else [group_of(row_id) for row_id in rows]
    row_sets = (source or RowSetsOfSource()).next(hashes, groups)
    return RowTexts.of(to_windows(windows, first_counted), np.array(rows, np.int64), row_sets)


def group_of(row_id: int) -> str:
    """The group of a row."""
    return "even" if row_id % 2 == 0 else "odd"


def text_of(windows: list[OracleWindow], row_id: int) -> str:
    """A text that tells rows with different tokens apart."""
    return " | ".join(str(window.tokens) for window in windows if window.row_id == row_id)


def to_activations(windows: list[OracleWindow], first_counted: int) -> SparseActivations:
    """The positive latents at counted tokens."""
    dense = np.concatenate([window.latents for window in windows])
    counted = np.concatenate([np.arange(len(window.tokens)) >= first_counted + window.uncounted for window in windows])
    token, feature = np.nonzero((dense > 0) & counted[:, None])
    values = dense[token, feature].astype(np.float32)
    return SparseActivations(token.astype(np.int32), feature.astype(np.int32), values)


def summarise(windows: list[OracleWindow], spec: SummarySpec, first_counted: int = 1) -> Summary:
    """The library's summary of some windows."""
    block = to_windows(windows, first_counted)
    return BlockSummariser(block, to_activations(windows, first_counted), spec).unrounded().rounded()


def feature_of(summary: Summary, feature: int, lengths: dict[tuple[int, int], int]) -> OracleFeature:
    """One feature of a summary in the oracle's terms, but for its sums."""
    keys = summary.histogram_key[summary.histogram_key >> 32 == feature]
    counts = summary.histogram_count[summary.histogram_key >> 32 == feature]
    return OracleFeature(
        sums=[],
        count=int(summary.count[feature]),
        maximum=float(summary.maximum[feature]),
        histogram=Counter(dict(zip((keys & 0xFFFFFFFF).tolist(), counts.tolist(), strict=True))),
        top=examples_of(summary.top, feature, lengths),
        random=examples_of(summary.random, feature, lengths),
        bands={
            int(number) % BANDS: examples_of(summary.bands, int(number), lengths)
            for number in np.unique(summary.bands.feature)
            if number // BANDS == feature
        },
    )


def by_position(counts: NDArray[np.int64]) -> Counter[tuple[str, int]]:
    """Counts [kinds, ranges] in the oracle's terms."""
    places: list[tuple[str, int]] = [(kind, first) for kind in KINDS for first in FIRST_POSITIONS]
    return +Counter(dict(zip(places, counts.ravel().tolist(), strict=True)))


def examples_of(examples: Examples, feature: int, lengths: dict[tuple[int, int], int]) -> list[OracleExample]:
    found = []
    for e in np.flatnonzero(examples.feature == feature):
        row_id, window = int(examples.row_id[e]), int(examples.window[e])
        acts = [0.0] * lengths[row_id, window]
        for a in range(examples.act_starts[e], examples.act_starts[e + 1]):
            acts[examples.act_position[a]] = float(examples.act_value[a])
        position = int(examples.position[e])
        found.append(
            OracleExample(float(examples.value[e]), row_id, window, position, int(examples.token[e]), tuple(acts))
        )
    return found


def assert_equals_oracle(
    summary: Summary, windows: list[OracleWindow], first_counted: int, *, relative: float = 1e-12
) -> None:
    """Counts, bins, maxima and examples exactly; sums to `relative`."""
    spec = summary.spec
    lengths = {(window.row_id, window.number): len(window.tokens) for window in windows}
    assert summary.num_tokens == sum(len(window.counted(first_counted)) for window in windows)
    counted = [place_of(window, position) for window in windows for position in window.counted(first_counted)]
    assert by_position(summary.positions.tokens) == Counter(counted)
    for feature in range(spec.n_features):
        expected = summarise_feature(windows, feature, first_counted, spec.examples_per_feature, spec.seed)
        sums, expected.sums = expected.sums, []
        assert by_position(summary.positions.count[..., feature]) == firings_by_position(
            windows, feature, first_counted
        )
        assert feature_of(summary, feature, lengths) == expected
        for total, exact in zip((summary.sum1, summary.sum2, summary.sum3, summary.sum4), sums, strict=True):
            assert abs(float(total[feature]) - float(exact)) <= relative * float(exact)
