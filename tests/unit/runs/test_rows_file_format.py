"""A chunk that is written to be encoded elsewhere comes back as it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.data.row_sets import RowSetsOfSource
from sparse_autoencoder.data.row_skip_rules import SkippedRow
from sparse_autoencoder.data.text_repeats import text_hashes
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.rows_file_format import chunk_from_parquet, chunk_to_parquet, chunk_tokens
from sparse_autoencoder.tokens.chunks import Chunk

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TOKENS = st.lists(st.integers(0, 50_256), max_size=8)


@st.composite
def chunks(draw: st.DrawFn) -> Chunk:
    records = draw(st.lists(st.one_of(st.tuples(TEXTS, TOKENS), st.sampled_from(["no text", "too long"])), max_size=12))
    first = draw(st.integers(0, 2**40))
    usable = [(first + place, *record) for place, record in enumerate(records) if isinstance(record, tuple)]
    skipped = [SkippedRow(first + place, record) for place, record in enumerate(records) if isinstance(record, str)]
    lengths = [len(tokens) for _row, _text, tokens in usable]
    texts = [text for _row, text, _tokens in usable]
    columns = {name: [draw(st.none() | TEXTS) for _ in usable] for name in draw(st.sets(TEXTS, max_size=2))}
    groups = draw(st.none() | st.lists(st.sampled_from(["a", "b"]), min_size=len(usable), max_size=len(usable)))
    return Chunk(
        index=draw(st.integers(0, 10**6)),
        row_ids=np.array([row for row, _text, _tokens in usable], np.int64),
        texts=texts,
        tokens=np.array([token for _row, _text, tokens in usable for token in tokens], np.int32),
        starts=np.cumsum([0, *lengths], dtype=np.int64),
        skipped=skipped,
        rows_hash=draw(st.sampled_from(["", "0" * 64])),
        row_sets=draw(st.sampled_from([None, RowSetsOfSource().next(text_hashes(texts), groups)])),
        columns=columns,
    )


@given(chunks())
def test_a_chunk_comes_back_as_it_was(chunk: Chunk) -> None:
    back = chunk_from_parquet(chunk_to_parquet(chunk), chunk.index)
    for name in ("index", "texts", "skipped", "rows_hash", "columns"):
        assert getattr(back, name) == getattr(chunk, name)
    for name in ("row_ids", "tokens", "starts"):
        before, after = getattr(chunk, name), getattr(back, name)
        assert (before.dtype, before.tolist()) == (after.dtype, after.tolist())
    assert (back.row_sets is None) == (chunk.row_sets is None)
    if back.row_sets is not None and chunk.row_sets is not None:
        assert back.row_sets.names == chunk.row_sets.names
        for name in ("sets", "earlier"):
            np.testing.assert_array_equal(getattr(back.row_sets, name), getattr(chunk.row_sets, name))


@given(chunks())
def test_the_same_chunk_gives_the_same_bytes(chunk: Chunk) -> None:
    assert chunk_to_parquet(chunk) == chunk_to_parquet(chunk)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"something else" * 100])
def test_other_bytes_are_refused_with_the_chunks_number(data: bytes) -> None:
    with pytest.raises(SaescopeError, match="the rows of chunk 7 can't be read"):
        chunk_from_parquet(data, 7)


def test_a_chunk_cut_short_is_refused() -> None:
    chunk = Chunk(0, np.arange(3), ["a", "b", "c"], np.arange(3, dtype=np.int32), np.arange(4), [])
    with pytest.raises(SaescopeError, match="the rows of chunk 0 can't be read"):
        chunk_from_parquet(chunk_to_parquet(chunk)[:-20], 0)


def test_a_chunk_says_what_its_tokens_depend_on() -> None:
    chunk = Chunk(0, np.arange(1), ["a"], np.arange(1, dtype=np.int32), np.arange(2), [])
    assert chunk_tokens(chunk_to_parquet(chunk, {"tokenizers": "1.0"}), 0) == {"tokenizers": "1.0"}
    with pytest.raises(SaescopeError, match="the rows of chunk 7 can't be read"):
        chunk_tokens(b"something else", 7)
