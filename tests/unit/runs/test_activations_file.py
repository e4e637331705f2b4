"""The files of saved activations: the same bytes however they come, and row groups that end between tokens."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.runs import activations_file
from sparse_autoencoder.runs.activations_file import SCHEMA, ActivationColumns, ActivationsFile, ActivationsWriter

Rows = list[list[list[int]]]  # by row and token, the features that fire
ROWS = st.lists(st.lists(st.lists(st.integers(0, 40), max_size=6, unique=True), max_size=5), max_size=8)


def columns_of(rows: Rows) -> ActivationColumns:
    entries = [
        (row, token, feature) for row, tokens in enumerate(rows) for token, ids in enumerate(tokens) for feature in ids
    ]
    row, token, feature = np.array(entries, np.int64).reshape(-1, 3).T
    value = np.random.default_rng(0).random(len(entries), np.float32)
    return ActivationColumns(row, token.astype(np.int32), feature.astype(np.int32), value)


def written(columns: ActivationColumns, cuts: list[int], most: int) -> bytes:
    file = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(activations_file, "_MOST", most)
        writer = ActivationsWriter(file, 77)
        bounds = sorted({0, *(min(cut, len(columns)) for cut in cuts), len(columns)})
        for begin, end in pairwise(bounds):
            writer.add(columns[begin:end])
        writer.close()
    return file.getvalue()


def opened(data: bytes) -> ActivationsFile:
    return ActivationsFile("a file", pq.ParquetFile(io.BytesIO(data)))


@given(ROWS, st.lists(st.integers(0, 100), max_size=6), st.integers(1, 9))
def test_the_bytes_do_not_depend_on_the_pieces(rows: Rows, cuts: list[int], most: int) -> None:
    columns = columns_of(rows)
    assert written(columns, cuts, most) == written(columns, [], most)


@given(ROWS, st.integers(1, 9))
def test_what_is_written_is_read_and_no_token_is_in_two_row_groups(rows: Rows, most: int) -> None:
    columns = columns_of(rows)
    file = opened(written(columns, [], most))
    groups = list(file)
    assert ActivationColumns.concatenate(groups).table().equals(columns.table())
    tokens = [set(zip(group.row.tolist(), group.token.tolist(), strict=True)) for group in groups]
    assert all(not one & other for one, other in pairwise(tokens))
    assert all(len(group) <= most or len(token) == 1 for group, token in zip(groups, tokens, strict=True))
    assert (file.num_activations, file.num_tokens) == (len(columns), 77)


@given(ROWS, st.integers(1, 9), st.sets(st.integers(0, 8)))
def test_the_row_groups_of_rows_are_those_that_have_some_of_them(rows: Rows, most: int, wanted: set[int]) -> None:
    file = opened(written(columns_of(rows), [], most))
    found = file.groups_of(np.array(sorted(wanted), np.int64))
    for number, group in enumerate(file):
        within = any(group.row[0] <= row <= group.row[-1] for row in wanted)
        assert (number in found) == within


def test_the_schema_says_what_the_columns_are() -> None:
    schema = pq.read_schema(io.BytesIO(written(columns_of([[[1, 2]]]), [], 9)))
    assert schema.names == ["row", "token", "feature", "value"]
    assert schema.metadata[b"saescope.format"] == b"1"
    assert all(schema.field(name).metadata[b"description"] for name in schema.names)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (pa.table({"row": [1]}), "other columns"),
        (SCHEMA.empty_table().append_column("more", pa.array([], pa.int32())), "other columns"),
    ],
)
def test_a_file_that_no_run_wrote_is_refused(table: pa.Table, problem: str) -> None:
    file = io.BytesIO()
    pq.write_table(table, file)
    with pytest.raises(ValueError, match=problem):
        opened(file.getvalue())


def test_a_file_without_statistics_is_refused() -> None:
    file = io.BytesIO()
    table = columns_of([[[1]]]).table(SCHEMA.with_metadata({b"saescope.counted_tokens": b"1"}))
    pq.write_table(table, file, write_statistics=False)
    with pytest.raises(ValueError, match="which rows"):
        opened(file.getvalue())
