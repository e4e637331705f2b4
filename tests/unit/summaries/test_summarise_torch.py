"""Summaries made by torch equal those made by numpy to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.summaries.summary_speed import make_block
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.kernels import torch_array_ops
from sparse_autoencoder.summaries import summarise_numpy, summarise_torch
from sparse_autoencoder.summaries.feature_summary import SummarySpec
from sparse_autoencoder.summaries.summarise_in_background import summarise_blocks
from sparse_autoencoder.summaries.summarise_numpy import SparseActivations
from sparse_autoencoder.summaries.summarise_torch import DeviceActivations
from sparse_autoencoder.summaries.text_sums import RowTexts
from sparse_autoencoder.summaries.token_samples import BlockTokens
from sparse_autoencoder.tokens.windows import Windows
from sparse_autoencoder.utils import numpy_array_ops
from tests.support.devices import on_each_device
from tests.support.oracle import OracleWindow
from tests.support.same_bits import assert_same_bits
from tests.support.summaries import datasets, rows_of, to_activations, to_windows

SPEC = SummarySpec(n_features=5, examples_per_feature=2, seed=2**63 + 7)
DENORMAL, SMALLEST, HUGE = 1e-45, 1.1754944e-38, 3.4028235e38
any_value = st.sampled_from([DENORMAL, 3e-42, SMALLEST, 0.2, 0.2000001, 0.4, 1.0, 1.0000001, 250.0, 5e8, HUGE])


@torch.inference_mode()  # as when a model has computed them
def on_device(activations: SparseActivations, device: str = "cpu") -> DeviceActivations:
    columns = (activations.token, activations.feature, activations.value)
    return DeviceActivations(*(torch.tensor(column, device="cpu").to(device) for column in columns))


def assert_summarised_alike(
    block: Windows, activations: SparseActivations, spec: SummarySpec, per_row: int, device: str = "cpu"
) -> None:
    by_numpy = activations.summariser(block, spec)
    by_torch = on_device(activations, device).summariser(block, spec)
    assert_same_bits(by_torch.unrounded(123).rounded(), by_numpy.unrounded(123).rounded())
    assert_same_bits(by_torch.row_features(per_row), by_numpy.row_features(per_row))
    rows = RowTexts.all_different([block], 0)
    for found, wanted in zip(by_torch.text_sums(rows), by_numpy.text_sums(rows), strict=True):
        assert_same_bits(found, wanted)
    found_tokens, wanted_tokens = (BlockTokens.of(block, one, 0, spec.seed) for one in (by_torch, by_numpy))
    assert_same_bits(found_tokens, wanted_tokens)


@on_each_device
@given(datasets(n_features=5, max_rows=20), st.sampled_from([0, 1]), st.integers(1, 4))
def test_ties_repeated_texts_and_rows_of_several_windows_are_summarised_alike(
    device: str, windows: list[OracleWindow], first_counted: int, per_row: int
) -> None:
    assert_summarised_alike(to_windows(windows), to_activations(windows, first_counted), SPEC, per_row, device=device)


@on_each_device
@given(datasets(n_features=5, max_rows=6), st.data())
def test_denormal_and_huge_activations_in_any_order_are_summarised_alike(
    device: str, windows: list[OracleWindow], data: st.DataObject
) -> None:
    block = to_windows(windows)
    places = st.tuples(st.integers(0, len(block.tokens) - 1), st.integers(0, SPEC.n_features - 1))
    drawn = data.draw(st.lists(st.tuples(places, any_value), unique_by=lambda entry: entry[0], max_size=60))
    activations = SparseActivations(
        np.array([token for (token, _feature), _value in drawn], np.int32),
        np.array([feature for (_token, feature), _value in drawn], np.int32),
        np.array([value for _place, value in drawn], np.float32),
    )
    assert_summarised_alike(block, activations, SPEC, per_row=2, device=device)


@on_each_device
@given(datasets(n_features=5, max_rows=20))
def test_equal_draws_are_ordered_alike(device: str, windows: list[OracleWindow]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            summarise_numpy,
            "activation_draws",
            lambda draw, feature: numpy_array_ops.mix(draw ^ feature) & np.uint64(3 << 62),
        )
        patch.setattr(summarise_torch, "mix", lambda mixed: torch_array_ops.mix(mixed) & -(1 << 62))
        patch.setattr(summarise_torch, "SIGNED_GOLDEN", 1)
        assert_summarised_alike(to_windows(windows), to_activations(windows, 0), SPEC, per_row=2, device=device)


@on_each_device
def test_a_block_without_activations_gives_no_examples_and_no_rows_features(device: str) -> None:
    block = to_windows([OracleWindow(3, 0, [0, 1], np.zeros((2, 5)))])
    activations = to_activations([OracleWindow(3, 0, [0, 1], np.zeros((2, 5)))], 0)
    assert_summarised_alike(block, activations, SPEC, per_row=2, device=device)
    assert on_device(activations, device).summariser(block, SPEC).unrounded(2).rounded().num_tokens == 2


@on_each_device
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_activation_that_is_not_finite_is_the_same_error(device: str, bad: float) -> None:
    block = to_windows([OracleWindow(41, 0, [0, 1], np.zeros((2, 5)))])
    activations = SparseActivations(
        np.array([0, 1], np.int32), np.array([2, 2], np.int32), np.array([1.0, bad], np.float32)
    )
    with pytest.raises(SaescopeError) as by_numpy:
        activations.summariser(block, SPEC)
    with pytest.raises(SaescopeError, match="not finite in the rows 41 to 41") as by_torch:
        on_device(activations, device).summariser(block, SPEC)
    assert str(by_torch.value) == str(by_numpy.value)


@given(datasets(n_features=5, max_rows=20))
def test_every_tensor_is_made_on_the_device_of_the_activations(windows: list[OracleWindow]) -> None:
    with torch.device("meta"):  # where a tensor goes for which no device is named; it can't be computed with others
        assert_summarised_alike(to_windows(windows), to_activations(windows, 1), SPEC, per_row=2)


@on_each_device
@given(datasets(n_features=5, max_rows=20), st.integers(1, 20), st.integers(0, 1))
def test_blocks_of_either_kind_are_summarised_together(
    device: str, windows: list[OracleWindow], block_tokens: int, parity: int
) -> None:
    whole = to_windows(windows)
    activations = to_activations(windows, 1)
    parts: list[tuple[Windows, SparseActivations]] = []
    begin = 0
    for block in whole.blocks(block_tokens):
        inside = (activations.token >= begin) & (activations.token < begin + len(block.tokens))
        token = (activations.token[inside] - begin).astype(np.int32)
        parts.append((block, SparseActivations(token, activations.feature[inside], activations.value[inside])))
        begin += len(block.tokens)
    mixed = [(block, on_device(a, device) if i % 2 == parity else a) for i, (block, a) in enumerate(parts)]
    expected, expected_rows = summarise_blocks(parts, rows_of(windows, 1), SPEC, first_counted=1, per_row=2)
    summary, found_rows = summarise_blocks(mixed, rows_of(windows, 1), SPEC, first_counted=1, per_row=2)
    assert_same_bits(summary, expected)
    for found, wanted in zip(found_rows, expected_rows, strict=True):
        assert_same_bits(found, wanted)


@on_each_device
def test_a_block_of_realistic_size_is_summarised_alike(device: str) -> None:
    block, activations = make_block(np.random.default_rng(0), 0, n_features := 32_768)
    assert_summarised_alike(
        block, activations, SummarySpec(n_features, examples_per_feature=20, seed=1), per_row=10, device=device
    )


@on_each_device
@given(st.lists(st.integers(0, 2**64 - 1), min_size=1))
def test_hashes_are_the_same_bits(device: str, numbers: list[int]) -> None:
    unsigned = np.array(numbers, np.uint64)
    mixed = torch_array_ops.mix(torch_array_ops.to_device(unsigned, torch.device(device))).cpu().numpy()
    assert mixed.view(np.uint64).tolist() == numpy_array_ops.mix(unsigned).tolist()


@on_each_device
@given(st.lists(st.integers(0, 2**64 - 1), min_size=1))
def test_unsigned_numbers_keep_their_order_as_signed_ones(device: str, numbers: list[int]) -> None:
    tensor = torch_array_ops.to_device(np.array(numbers, np.uint64), torch.device(device))
    order = torch.argsort(torch_array_ops.unsigned_order(tensor), stable=True)
    assert [numbers[i] for i in order.tolist()] == sorted(numbers)
