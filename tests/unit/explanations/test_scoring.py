"""Scores from samples, against the formulas over all tokens of a made-up run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.explanations.scoring import Fitting, Predicted, graph_scores

ACTIVATION = st.sampled_from([0.0, 0.0, 0.5, 1.0, 3.0])
TOKENS = st.lists(st.tuples(ACTIVATION, ACTIVATION), min_size=1, max_size=60)


@given(TOKENS, st.integers(1, 3))
def test_samples_of_everything_give_the_dense_formulas(tokens: list[tuple[float, float]], times: int) -> None:
    a, p = np.array(tokens).T
    everything = [Predicted(*token) for token in tokens]
    fitting = [one for one in everything if one.prediction > 0]
    firings = [one for one in everything if one.activation > 0] * times  # how large a sample is must not matter
    scores = graph_scores(
        firings,
        firings,
        Fitting(num_rows=1, num_tokens=len(tokens), num_predicted=len(fitting), checked=fitting * times),
        num_firings=int((a > 0).sum()),
        num_tokens=len(tokens),
    )
    fires, fits = a > 0, p > 0
    assert scores["recall"] == (pytest.approx((fires & fits).sum() / fires.sum()) if fires.any() else None)
    assert scores["precision"] == (pytest.approx((fires & fits).sum() / fits.sum()) if fits.any() else None)
    explained = 1 - ((a - p) ** 2).mean() / (a**2).mean() if fires.any() else None
    assert scores["explained"] == (pytest.approx(explained) if fires.any() else None)


def test_firings_in_the_sample_do_not_make_wrong_predictions_rarer() -> None:
    # of a million tokens 10 are firings, all predicted; a pattern fits at 1 in 1,000 others, too
    firings = [Predicted(2.0, 2.0)] * 10
    found = Fitting(num_rows=100, num_tokens=10_000, num_predicted=10, checked=[Predicted(0.0, 2.0)] * 10)
    scores = graph_scores(firings, firings, found, num_firings=10, num_tokens=1_000_000)
    assert (scores["recall"], scores["precision"]) == (1.0, 0.0)
    assert scores["explained"] == pytest.approx(1 - 1000 * 4 / (10 * 4))


def test_without_held_out_firings_only_precision_is_known() -> None:
    scores = graph_scores([], [], Fitting(1, 10, 1, [Predicted(1.0, 2.0)]), num_firings=3, num_tokens=10)
    assert (scores["recall"], scores["precision"], scores["explained"]) == (None, 1.0, None)


def test_patterns_that_fit_nowhere_have_no_precision_and_explain_what_they_predict() -> None:
    firings = [Predicted(2.0, 0.0), Predicted(2.0, 2.0)]
    scores = graph_scores(firings, firings, Fitting(5, 100, 0, []), 20, 1000)
    assert (scores["recall"], scores["precision"], scores["explained"]) == (0.5, None, 0.5)


def test_firings_whose_texts_were_seen_count_for_the_recall_only() -> None:
    seen, unseen = Predicted(4.0, 4.0), Predicted(2.0, 0.0)
    scores = graph_scores([seen, unseen], [unseen], Fitting(5, 100, 0, []), 20, 1000)
    assert (scores["num_examples"], scores["recall"], scores["explained"]) == (2, 0.5, 0.0)
