"""Token tables are those that loops over dense latents give, however a dataset is cut, ordered and put together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.runs.token_table_merging import ChunkTokens
from sparse_autoencoder.summaries import token_samples
from sparse_autoencoder.summaries.feature_summary import SummarySpec
from sparse_autoencoder.summaries.summarise_in_background import MemoryBudget, summarise_blocks
from sparse_autoencoder.summaries.summarise_numpy import SparseActivations
from sparse_autoencoder.summaries.summarise_torch import DeviceActivations
from sparse_autoencoder.summaries.summariser_interface import Activations
from sparse_autoencoder.summaries.token_samples import BlockTokens, TokenSamples
from sparse_autoencoder.summaries.token_table import LARGEST_SUM, TokenTable, table_of_activations
from sparse_autoencoder.summaries.token_table_torch import table_of_tensors
from sparse_autoencoder.tokens.windows import Windows
from tests.support.oracle import OracleWindow
from tests.support.same_bits import assert_same_bits
from tests.support.summaries import datasets, rows_of, to_activations, to_windows
from tests.support.token_tables import LARGEST, entries_of, expected_entries, expected_samples, sampled

SPEC = SummarySpec(n_features=3, examples_per_feature=2, seed=0)
huge = st.sampled_from([1e-45, 1e-7, 4.7e-7, 0.2, 2.0**41, 2.0**42, 3.4e38])


def in_torch(activations: SparseActivations) -> Activations:
    columns = (activations.token, activations.feature, activations.value)
    return DeviceActivations(*(torch.tensor(column) for column in columns))


def blocks_of(
    windows: list[OracleWindow], first_counted: int, block_tokens: int, at_once: int, kind: str = "numpy"
) -> list[BlockTokens]:
    whole, activations = to_windows(windows, first_counted), to_activations(windows, first_counted)
    blocks: list[tuple[Windows, Activations]] = []
    begin = 0
    for block in whole.blocks(block_tokens):
        own = activations.between(begin, begin + len(block.tokens))
        blocks.append((block, own if kind == "numpy" else in_torch(own)))
        begin += len(block.tokens)
    found: list[BlockTokens] = []
    summarise_blocks(
        blocks,
        rows_of(windows, first_counted),
        SPEC,
        per_row=1,
        memory=MemoryBudget(activations=at_once, least=1, workers=0),
        keep_tokens=found.append,
    )
    return found


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@given(
    datasets(context=2), st.integers(0, 3), st.integers(1, 30), st.integers(1, 40), st.randoms(use_true_random=False)
)
def test_blocks_and_their_parts_merge_in_any_order_to_the_table_of_dense_latents(
    kind: str, windows: list[OracleWindow], first_counted: int, block_tokens: int, at_once: int, random: object
) -> None:
    blocks = blocks_of(windows, first_counted, block_tokens, at_once, kind)
    random.shuffle(blocks)  # type: ignore[attr-defined]
    merged = BlockTokens.merged(blocks)
    assert entries_of(merged.table) == expected_entries(windows, first_counted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_samples, "PER_TOKEN", 2)
        blocks = blocks_of(windows, first_counted, block_tokens, at_once, kind)
        random.shuffle(blocks)  # type: ignore[attr-defined]
        assert sampled(TokenSamples.merged([block.samples for block in blocks])) == expected_samples(
            windows, first_counted, SPEC.seed, 2
        )
    assert_same_bits(merged, BlockTokens.merged(blocks_of(windows, first_counted, 1000, 1000)))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 70_000), huge)), st.data())
def test_denormal_and_huge_activations_saturate_alike_on_every_device_and_in_every_order(
    drawn: list[tuple[int, int, float]], data: st.DataObject
) -> None:
    entries = data.draw(st.permutations(drawn))
    cut = data.draw(st.integers(0, len(entries)))
    parts = [table_of(sorted(part)) for part in (entries[:cut], entries[cut:])]
    merged = TokenTable.merged(parts)
    assert_same_bits(merged, table_of(sorted(drawn)))
    assert LARGEST == LARGEST_SUM
    exact: dict[tuple[int, int], int] = {}
    for feature, token, value in drawn:
        exact[token, feature] = exact.get((token, feature), 0) + min(round(float(np.float32(value)) * 2**20), LARGEST)
    assert {pair: total for pair, (_n, total, _m) in entries_of(merged).items()} == {
        pair: min(total, LARGEST) for pair, total in exact.items()
    }


def table_of(entries: list[tuple[int, int, float]]) -> TokenTable:
    """The table of (feature, token, value), by both kinds of arrays."""
    feature, token = (np.array([entry[i] for entry in entries], np.int32) for i in (0, 1))
    value = np.array([entry[2] for entry in entries], np.float32)
    table = table_of_activations(token, feature, value)
    by_torch = table_of_tensors(*(torch.from_numpy(column) for column in (token, feature, value)))
    assert_same_bits(by_torch, table)
    return table


@given(datasets(), st.integers(1, 30))
def test_a_chunks_file_does_not_depend_on_its_blocks(windows: list[OracleWindow], block_tokens: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sparse_autoencoder.runs.token_table_merging._HELD_ENTRIES", 3)
        files = []
        for tokens in (block_tokens, 1000):
            chunk = ChunkTokens()
            for block in blocks_of(windows, 1, tokens, 1000):
                chunk.add(block)
            files.append((chunk.table(), chunk.samples(0)))
    assert files[0] == files[1]


def test_a_chunk_without_tokens_has_an_empty_table() -> None:
    assert ChunkTokens().table().startswith(b"PAR1")
