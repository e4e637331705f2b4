"""Sums over texts are those that loops over whole texts give, however rows are cut, ordered and put together."""

from __future__ import annotations

from dataclasses import fields
from hashlib import blake2b

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.data.row_sets import HALVES, RowSetsOfSource
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec
from sparse_autoencoder.summaries.summarise_in_background import MemoryBudget, summarise_blocks
from sparse_autoencoder.summaries.summarise_numpy import SparseActivations
from sparse_autoencoder.summaries.summarise_torch import DeviceActivations
from sparse_autoencoder.summaries.summariser_interface import Activations
from sparse_autoencoder.summaries.text_sums import TextSums
from sparse_autoencoder.tokens.windows import Windows
from tests.support.oracle import OracleWindow
from tests.support.same_bits import assert_same_bits
from tests.support.summaries import datasets, group_of, rows_of, text_of, to_activations, to_windows

SPEC = SummarySpec(n_features=3, examples_per_feature=2, seed=0)


def expected_sums(windows: list[OracleWindow], first_counted: int, *, grouped: bool = False) -> TextSums:
    """Set by set and text by text, with Python's loops: c and t are those of all of the set's rows that have a text."""
    rows = sorted({window.row_id for window in windows})
    groups = list(dict.fromkeys(group_of(row_id) for row_id in rows)) if grouped else []
    sums = TextSums.empty(SPEC.n_features, HALVES + len(groups))
    for one in range(sums.num_sets):
        tokens: dict[str, int] = {}
        firings: dict[str, list[int]] = {}
        for row_id in rows:
            text, own = text_of(windows, row_id), [window for window in windows if window.row_id == row_id]
            counted = sum(len(window.counted(first_counted)) for window in own)
            inside = half_of(text) == one if one < HALVES else group_of(row_id) == groups[one - HALVES]
            if counted == 0 or not inside:
                continue
            sums.num_rows[one] += 1
            tokens[text] = tokens.get(text, 0) + counted
            for feature in range(SPEC.n_features):
                counting = ((window.latents, window.counted(first_counted)) for window in own)
                fired = sum(int(a > 0) for latents, counted in counting for a in latents[counted, feature])
                firings.setdefault(text, [0] * SPEC.n_features)[feature] += fired
        for text, t in tokens.items():
            sums.num_texts[one] += 1
            sums.num_tokens[one] += t
            sums.squared_tokens[one] += t * t
            for feature, c in enumerate(firings[text]):
                sums.count[one, feature] += c
                sums.texts[one, feature] += c > 0
                sums.squares[one, feature] += c * c
                sums.products[one, feature] += c * t
    return sums


def half_of(text: str) -> int:
    return blake2b(text.encode(), digest_size=8).digest()[0] & 1


def in_torch(activations: SparseActivations) -> Activations:
    columns = (activations.token, activations.feature, activations.value)
    return DeviceActivations(*(torch.tensor(column) for column in columns))


def blocks_of(windows: list[OracleWindow], first_counted: int, tokens: int) -> list[tuple[Windows, SparseActivations]]:
    whole, activations = to_windows(windows, first_counted), to_activations(windows, first_counted)
    blocks, begin = [], 0
    for block in whole.blocks(tokens):
        blocks.append((block, activations.between(begin, begin + len(block.tokens))))
        begin += len(block.tokens)
    return blocks


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@given(datasets(), st.integers(0, 3), st.integers(1, 30), st.integers(1, 40), st.booleans())
def test_rows_that_blocks_and_parts_cut_are_summed_whole(
    kind: str, windows: list[OracleWindow], first_counted: int, block_tokens: int, at_once: int, grouped: bool
) -> None:
    blocks: list[tuple[Windows, Activations]] = [
        (block, activations if kind == "numpy" else in_torch(activations))
        for block, activations in blocks_of(windows, first_counted, block_tokens)
    ]
    summary, _rows = summarise_blocks(
        blocks,
        rows_of(windows, first_counted, RowSetsOfSource() if grouped else None),
        SPEC,
        per_row=1,
        memory=MemoryBudget(activations=at_once, least=1, workers=0),
    )
    expected = expected_sums(windows, first_counted, grouped=grouped)
    # the last groups may have no counted token
    assert_same_bits(TextSums.empty(SPEC.n_features, expected.num_sets).merge(summary.text_sums), expected)


@given(datasets(max_rows=12), st.data())
def test_chunks_merged_in_any_order_give_the_sums_of_the_whole(
    windows: list[OracleWindow], data: st.DataObject
) -> None:
    rows = sorted({window.row_id for window in windows})
    cuts = sorted(data.draw(st.sets(st.sampled_from(rows), max_size=4)))
    source, chunks = RowSetsOfSource(), []
    for begin, end in zip([0, *cuts], [*cuts, rows[-1] + 1], strict=True):
        chunk = [window for window in windows if begin <= window.row_id < end]
        if chunk:
            chunks.append(sums_of(chunk, source))
    total = TextSums.empty(SPEC.n_features)
    for sums in data.draw(st.permutations(chunks)):
        total = total.merge(sums)
    assert_same_bits(total, expected_sums(windows, 1, grouped=True))


def sums_of(chunk: list[OracleWindow], source: RowSetsOfSource) -> TextSums:
    blocks = [(to_windows(chunk), to_activations(chunk, 1))]
    return summarise_blocks(blocks, rows_of(chunk, 1, source), SPEC, per_row=1)[0].text_sums


@given(datasets())
def test_the_two_halves_are_the_whole(windows: list[OracleWindow]) -> None:
    sums = sums_of(windows, RowSetsOfSource())
    whole = sums.whole()
    for one in fields(TextSums):
        halves = getattr(sums, one.name)
        np.testing.assert_array_equal(getattr(whole, one.name), [halves[0] + halves[1]])


def test_a_summary_of_nothing_has_no_texts() -> None:
    assert_same_bits(Summary.empty(SPEC).text_sums, TextSums.empty(SPEC.n_features))
