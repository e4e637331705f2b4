"""Comparing sets of texts: what chance alone does is not found, what was planted is, with the right ratio."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import demo
from demo.headlines import generate
from sparse_autoencoder.data.row_skip_rules import Row
from sparse_autoencoder.pipeline.load_inputs import load_models, load_tokens
from sparse_autoencoder.reading.compare_texts import (
    LEAST_TEXTS,
    TextSet,
    compare_texts,
    false_discovery_rates,
)
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.summaries.summarise_numpy import SparseActivations
from sparse_autoencoder.tokens.chunks import tokenise
from sparse_autoencoder.tokens.windows import cut_windows

Floats = NDArray[np.float64]
SPLITS = 200
MOST_SPLITS_WITH_A_DISCOVERY = 18  # 5 % are 10; more than 18 have a probability of 1 %


@dataclass(frozen=True)
class Texts:
    """Distinct texts: in float64, whose products of whole numbers below 2^53 are exact."""

    firings: Floats  # [texts, features]
    tokens: Floats  # [texts]

    def repeated(self, times: Floats) -> Texts:
        """The same texts, each so many times."""
        return Texts(self.firings * times[:, None], self.tokens * times)

    def sets(self, chosen: Floats) -> Iterator[TextSet]:
        """The texts of each row of a matrix of zeros and ones [sets, texts]."""
        firings, tokens = self.firings, self.tokens
        sums = [chosen @ part for part in (firings, firings > 0, firings**2, firings * tokens[:, None])]
        for i, row in enumerate(chosen):
            yield TextSet(
                int(row.sum()),
                int(row @ tokens),
                int(row @ tokens**2),
                *(part[i].astype(np.int64) for part in sums),
            )


@pytest.fixture(scope="module")
def headline_texts() -> Texts:
    return encoded([headline.title for headline in generate(3000, seed=11)])


def encoded(titles: list[str]) -> Texts:
    """How often the demo's features fire in texts, equal ones left out."""
    titles = list(dict.fromkeys(titles))
    options = RunOptions(
        subject=str(demo.SUBJECT), autoencoder=str(demo.AUTOENCODER), layer=demo.LAYER, location=demo.LOCATION
    )
    models, tokens = load_models(options), load_tokens(options)
    rows = [Row(i, title) for i, title in enumerate(titles)]
    chunk = tokenise(0, rows, tokens.tokenizer, tokens.policy)
    windows = cut_windows(chunk, tokens.policy)
    firings = np.zeros((len(titles), models.num_features))
    for block, activations in models.any_encoder.blocks(windows):
        assert isinstance(activations, SparseActivations)
        row = np.repeat(block.row_ids, block.lengths)[activations.token]
        np.add.at(firings, (row, activations.feature), 1)
    counted = np.maximum(windows.lengths - tokens.policy.first_counted, 0)
    return Texts(firings, np.bincount(windows.row_ids, counted, len(titles)).astype(np.float64))


def splits(num_texts: int, share: float) -> Floats:
    """Random halves, or other shares: [splits, texts]."""
    random = np.random.default_rng(7)
    first = np.arange(num_texts) < share * num_texts
    return np.stack([random.permutation(first) for _ in range(SPLITS)]).astype(np.float64)


def discoveries(texts: Texts, share: float) -> int:
    """How many of 200 random splits of texts show any feature that differs."""
    chosen = splits(len(texts.tokens), share)
    pairs = zip(texts.sets(chosen), texts.sets(1 - chosen), strict=True)
    return sum(bool((compare_texts(a, b).q <= 0.05).any()) for a, b in pairs)


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_chance_alone_is_rarely_found_in_rows_of_one_line(headline_texts: Texts, share: float) -> None:
    assert discoveries(headline_texts, share) <= MOST_SPLITS_WITH_A_DISCOVERY


def test_chance_alone_is_rarely_found_in_rows_of_many_windows() -> None:
    titles = [headline.title for headline in generate(3000, seed=12)]
    texts = encoded([" ".join(titles[begin : begin + 15]) for begin in range(0, len(titles), 15)])
    assert texts.tokens.max() > 128  # more than two windows
    assert discoveries(texts, 0.5) <= MOST_SPLITS_WITH_A_DISCOVERY


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_chance_alone_is_rarely_found_where_some_texts_come_again_and_again(
    headline_texts: Texts, share: float
) -> None:
    random = np.random.default_rng(3)
    again = random.random(len(headline_texts.tokens)) < 0.05
    times = np.where(again, random.integers(2, 60, len(again)), 1).astype(np.float64)
    assert discoveries(headline_texts.repeated(times), share) <= MOST_SPLITS_WITH_A_DISCOVERY


def test_a_planted_difference_comes_first_with_its_ratio(headline_texts: Texts) -> None:
    chosen = splits(len(headline_texts.tokens), 0.5)[0]
    feature = int(np.argsort(headline_texts.firings.sum(axis=0))[-60])  # a frequent one, but no common word's
    firings = headline_texts.firings.copy()
    inside = np.flatnonzero(chosen)
    changed = np.random.default_rng(5).permutation(inside)[: len(inside) // 10]
    before = firings[inside, feature].sum()
    firings[changed, feature] += 1
    grown = np.log2(firings[inside, feature].sum() / before)
    (a,) = headline_texts.sets(1 - chosen[None])
    (b,) = Texts(firings, headline_texts.tokens).sets(chosen[None])
    found = compare_texts(a, b)
    (without,) = headline_texts.sets(chosen[None])
    assert int(np.argmin(found.p)) == feature
    assert found.q[feature] < 0.05
    assert found.log_ratio[feature] - compare_texts(a, without).log_ratio[feature] == pytest.approx(grown, abs=0.05)
    assert found.low[feature] > 0


def test_firings_in_few_texts_are_not_tested() -> None:
    few, enough = few_texts(LEAST_TEXTS - 1), few_texts(LEAST_TEXTS)
    nothing = few_texts(0)
    assert compare_texts(few, nothing).q.tolist() == [1.0]
    assert compare_texts(enough, nothing).tested.tolist() == [True]


def few_texts(firing: int) -> TextSet:
    once = np.array([firing])
    return TextSet(100, 1000, 10_000, once, once, once, 10 * once)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_q_is_the_smallest_rate_at_which_a_feature_is_discovered(p: list[float]) -> None:
    rates = false_discovery_rates(np.array(p))
    ordered = sorted(p)
    for value, q in zip(p, rates.tolist(), strict=True):
        expected = min(1.0, min(len(p) * ordered[i] / (i + 1) for i in range(len(p)) if ordered[i] >= value))
        assert q == pytest.approx(expected)


def test_the_variance_is_that_of_whole_texts(headline_texts: Texts) -> None:
    chosen = np.ones((1, len(headline_texts.tokens)))
    (everything,) = headline_texts.sets(chosen)
    density = headline_texts.firings.sum(axis=0) / headline_texts.tokens.sum()
    residuals = headline_texts.firings - headline_texts.tokens[:, None] * density
    m = len(headline_texts.tokens)
    np.testing.assert_allclose(everything.variance(density), (residuals**2).sum(axis=0) * m / (m - 1), rtol=1e-9)
