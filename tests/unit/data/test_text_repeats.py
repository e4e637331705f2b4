"""Rows that repeat a text are numbered as a dictionary would number them, batch by batch."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.data.text_repeats import TextRepeats, text_hashes


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=12), max_size=12))
def test_earlier_rows_are_counted_over_all_batches(batches: list[list[str]]) -> None:
    seen: Counter[str] = Counter()
    repeats = TextRepeats()
    for batch in batches:
        expected = []
        for text in batch:
            expected.append(seen[text])
            seen[text] += 1
        assert repeats.earlier(text_hashes(batch)).tolist() == expected


def test_texts_that_are_not_unicode_have_a_hash() -> None:
    assert len(np.unique(text_hashes(["\ud800", "\udfff", "", "a"]))) == 4


def test_memory_is_16_bytes_for_each_distinct_text() -> None:
    repeats = TextRepeats()
    random = np.random.default_rng(0)
    for _ in range(50):
        repeats.earlier(random.integers(0, 5000, 1000).astype(np.uint64))
    kept = sum(hashes.nbytes + counts.nbytes for hashes, counts in repeats._levels)
    assert kept < 2 * 16 * 5000
