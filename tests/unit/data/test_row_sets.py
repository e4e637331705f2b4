"""Rows are in a half by their text and in a group by their column; rows with equal texts are counted within each."""

from __future__ import annotations

import numpy as np

from sparse_autoencoder.data.row_sets import HALVES, MOST_GROUPS, NO_VALUE, OTHERS, RowSetsOfSource
from sparse_autoencoder.data.text_repeats import text_hashes


def test_groups_are_numbered_in_the_order_of_their_first_rows() -> None:
    source = RowSetsOfSource()
    first = source.next(text_hashes(["x", "y", "x"]), ["wire", None, "blog"])
    second = source.next(text_hashes(["z", "x"]), ["blog", "wire"])
    assert first.sets[1].tolist() == [2, 3, 4]
    assert second.sets[1].tolist() == [4, 2]
    assert first.names == {2: "wire", 3: NO_VALUE, 4: "blog"}
    assert second.names == {2: "wire", 4: "blog"}


def test_equal_texts_are_counted_within_each_group_and_within_all_rows() -> None:
    source = RowSetsOfSource()
    source.next(text_hashes(["x", "y"]), ["wire", "wire"])
    sets = source.next(text_hashes(["x", "x", "y", "x"]), ["blog", "wire", "blog", "blog"])
    assert sets.earlier.tolist() == [[1, 2, 1, 3], [0, 1, 0, 1]]


def test_equal_texts_are_in_one_half_and_both_halves_have_texts() -> None:
    texts = [f"text {i % 100}" for i in range(300)]
    (half,) = RowSetsOfSource().next(text_hashes(texts)).sets
    assert half[:100].tolist() == half[100:200].tolist() == half[200:].tolist()
    assert 30 < half[:100].sum() < 70


def test_the_values_after_the_first_fifty_are_one_group() -> None:
    source = RowSetsOfSource()
    values = [f"source {i}" for i in range(MOST_GROUPS + 3)]
    sets = source.next(text_hashes(values), values)
    last = HALVES + MOST_GROUPS
    assert sets.sets[1].tolist() == [*range(HALVES, last), last, last, last]
    assert sets.names[last] == OTHERS
    again = source.next(text_hashes(["a", "b"]), ["source 51", "source 3"])
    assert again.sets[1].tolist() == [last, HALVES + 3]
    assert again.names == {last: OTHERS, HALVES + 3: "source 3"}


def test_rows_can_be_left_out() -> None:
    sets = RowSetsOfSource().next(text_hashes(["x", "y", "x"]), ["wire", "blog", "wire"])
    left = sets.of(np.array([0, 2]))
    assert (left.sets[1].tolist(), left.earlier.tolist(), left.names) == ([2, 2], [[0, 1], [0, 1]], {2: "wire"})
