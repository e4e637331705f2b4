"""How far two results agree, in figures that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.gpu.compare_precisions import Agreement, Encoded, compare, list_overlap, rank_correlation, window_keys
from sparse_autoencoder.summaries.metrics import FEATURE_METRICS
from sparse_autoencoder.summaries.numpy_blocks import SparseActivations
from sparse_autoencoder.summaries.summarise_blocks import summarise_blocks
from sparse_autoencoder.summaries.summary import SummarySpec
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.windows import windows_of

Activations = dict[tuple[int, int], float]  # (token, feature) -> value

# four tokens in two rows, of which the last has one latent only
REFERENCE: Activations = {(0, 1): 2.0, (0, 2): 1.0, (1, 1): 4.0, (1, 3): 1.0, (2, 2): 2.0, (2, 3): 1.0, (3, 1): 1.0}


def encoded(activations: Activations) -> Encoded:
    """The result over two rows of two tokens each, with one example in a list."""
    policy = TokenPolicy(bos_token_id=None, bos="none")
    windows = windows_of(np.arange(2), np.arange(4, dtype=np.int32), np.array([0, 2, 4]), policy)
    token, feature = np.array(list(activations), np.int32).T
    value = np.array(list(activations.values()), np.float32)
    found = SparseActivations(token, feature, value)
    spec = SummarySpec(n_features=6, examples_per_feature=1, seed=0)
    summary, _rows = summarise_blocks([(windows, found)], spec, first_counted=0, per_row=1)
    return Encoded(token, feature, value, window_keys(windows.row_ids, windows.numbers), windows.starts[:-1], summary)


def agreement(**changes: Activations) -> Agreement:
    """Of the reference with what changes make of it."""
    removed, added = changes.get("removed", {}), changes.get("added", {})
    kept = {place: value for place, value in REFERENCE.items() if place not in removed}
    return compare("other", encoded(REFERENCE), encoded(kept | added))


def test_a_result_agrees_with_itself() -> None:
    found = agreement()
    assert (found.identical_sets, found.common_latents) == (1, 1)
    assert (found.error_median, found.error_99th, found.error_largest) == (0, 0, 0)
    assert (found.silent_features, found.new_features) == (0, 0)
    assert (found.top_examples, found.top_examples_belonging, found.random_examples) == (1, 1, 1)
    assert [metric.name for metric in found.metrics] == [metric.name for metric in FEATURE_METRICS]
    assert {(metric.median, metric.largest) for metric in found.metrics} == {(0, 0)}
    assert [metric.rank_correlation for metric in found.metrics] == pytest.approx([1] * len(FEATURE_METRICS))


def test_an_exchanged_latent_is_seen_at_its_token() -> None:
    found = agreement(removed={(2, 3): 1.0}, added={(2, 4): 1.0})
    assert found.identical_sets == 3 / 4
    assert found.common_latents == (1 + 1 + 1 / 2 + 1) / 4


def test_a_latent_too_many_makes_sets_differ_though_all_are_there() -> None:
    found = agreement(added={(3, 5): 1.0})
    assert found.identical_sets == 3 / 4
    assert found.common_latents == 1


def test_a_token_at_which_nothing_is_left_has_nothing_in_common() -> None:
    assert agreement(removed={(3, 1): 1.0}).common_latents == 3 / 4


def test_errors_are_relative_and_of_activations_that_both_have() -> None:
    found = agreement(removed={(0, 2): 1.0}, added={(1, 1): 3.0, (0, 4): 9.0})
    assert found.error_largest == 1 / 4
    assert found.error_median == 0
    assert found.error_99th == pytest.approx(
        1 / 4 - 0.05 * 1 / 4
    )  # between the largest of six and the next, which is 0


def test_features_that_begin_or_cease_to_fire_are_counted() -> None:
    found = agreement(removed={(1, 3): 1.0, (2, 3): 1.0}, added={(0, 4): 1.0, (0, 5): 1.0})
    assert found.silent_features == 1
    assert found.new_features == 2


def test_metrics_differ_by_so_much_of_the_reference() -> None:
    found = {metric.name: metric for metric in agreement(removed={(2, 2): 2.0}, added={(1, 1): 5.0}).metrics}
    # of the features 1, 2 and 3: the maxima 4, 2 and 1 are 5, 1 and 1 now; they fired 3, 2 and 2 times, now 3, 1 and 2
    assert (found["max_activation"].median, found["max_activation"].largest) == (1 / 4, 1 / 2)
    assert (found["fraction_active"].median, found["fraction_active"].largest) == (0, 1 / 2)


def test_a_feature_that_no_longer_fires_differs_by_all_of_each_metric() -> None:
    found = agreement(removed={(1, 3): 1.0, (2, 3): 1.0})
    assert [metric.largest for metric in found.metrics] == [1] * len(FEATURE_METRICS)


def test_an_example_counts_as_found_if_its_window_is_in_the_other_list() -> None:
    found = agreement(added={(2, 1): 9.0})  # the strongest example of feature 1, of three, is now in the second row
    assert found.top_examples == pytest.approx(2 / 3)


def test_an_example_belongs_in_a_list_if_the_reference_has_it_as_strong_as_its_last() -> None:
    tied = REFERENCE | {(2, 1): 4.0}  # feature 1 is as strong in the second row as in the first, which is listed
    found = compare("other", encoded(tied), encoded(tied | {(2, 1): 4.5}))
    assert found.top_examples == pytest.approx(2 / 3)
    assert found.top_examples_belonging == 1


def test_an_example_that_the_reference_has_weaker_or_not_at_all_does_not_belong() -> None:
    assert agreement(added={(3, 1): 9.0}).top_examples_belonging == pytest.approx(2 / 3)
    assert agreement(added={(2, 1): 9.0}).top_examples_belonging == pytest.approx(2 / 3)


def test_lists_are_averaged_over_features_not_over_examples() -> None:
    one, other = encoded(REFERENCE).summary.top, encoded({(0, 1): 2.0}).summary.top
    assert list_overlap(one, other) == pytest.approx(1 / 3)
    assert list_overlap(other, one) == 1


@pytest.mark.parametrize(
    ("a", "b", "correlation"),
    [
        ([1, 2, 3], [10, 20, 90], 1),
        ([1, 2, 3], [3, 2, 1], -1),
        ([1, 2, 3, 4], [2, 1, 4, 3], 0.6),  # 1 - 6 * 4 / (4 * 15)
        ([1, 2, 2, 3], [1, 2, 3, 4], 4.5 / np.sqrt(4.5 * 5)),  # ranks 1, 2.5, 2.5, 4
    ],
)
def test_ranks_correlate_as_spearman_has_it(a: list[float], b: list[float], correlation: float) -> None:
    assert rank_correlation(np.array(a, float), np.array(b, float)) == pytest.approx(correlation)


def test_where_all_are_equal_there_is_no_order() -> None:
    assert rank_correlation(np.array([2.0, 2.0]), np.array([1.0, 2.0])) is None
    assert rank_correlation(np.array([1.0, 2.0]), np.array([2.0, 2.0])) is None
