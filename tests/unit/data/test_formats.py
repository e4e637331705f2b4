"""JSON Lines and Parquet: which records they hold, and what is said when they are broken."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparse_autoencoder.data.row_skip_rules import Record, Row, SkippedRow
from sparse_autoencoder.data.source import open_source
from sparse_autoencoder.data.table import ReadingOptions
from sparse_autoencoder.errors import SaescopeError


def jsonl(tmp_path: Path, *lines: str | bytes, column: str | None = None) -> list[Record]:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines))
    with open_source(str(path), ReadingOptions(column, encoding="utf-8")) as source:
        return list(source)


def parquet(tmp_path: Path, columns: dict[str, pa.Array], column: str | None = None) -> list[Record]:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table(columns), path)
    with open_source(str(path), ReadingOptions(column)) as source:
        return list(source)


def test_each_json_object_is_a_row(tmp_path: Path) -> None:
    assert jsonl(tmp_path, '{"id": 1, "title": " a\\n"}', "", '{"title": "b"}') == [Row(0, "a"), Row(1, "b")]


def test_unusable_json_lines_are_skipped_with_the_reason(tmp_path: Path) -> None:
    lines: list[str | bytes] = [
        '{"text": "a"}',
        '{"text": "b"',
        "[1, 2]",
        '{"text": null}',
        '{"text": 3}',
        '{"body": "c"}',
        '{"text": " "}',
        '{"text": "\\ud800"}',
        '{"text": "a\\u0000b"}',
        b'{"text": "caf\xe9"}',
        "[" * 100_000,
        '{"text": "\\ud83d\\ude00"}',
        '{"text": "' + "x" * 2_000_000 + '"}',
        '{"text": "end"}',
    ]
    assert jsonl(tmp_path, *lines) == [
        Row(0, "a"),
        SkippedRow(1, "not a JSON object"),
        SkippedRow(2, "not a JSON object"),
        SkippedRow(3, "no text"),
        Row(4, "3"),
        SkippedRow(5, "no field 'text'"),
        SkippedRow(6, "no text"),
        SkippedRow(7, "not valid Unicode"),
        SkippedRow(8, "NUL bytes in the text"),
        SkippedRow(9, "not valid Unicode"),
        SkippedRow(10, "not a JSON object"),
        Row(11, "😀"),
        SkippedRow(12, "longer than 1,048,576 characters"),
        Row(13, "end"),
    ]


def test_a_key_that_only_a_later_line_has_can_be_chosen(tmp_path: Path) -> None:
    assert jsonl(tmp_path, '{"id": 1}', '{"body": "a"}', column="body") == [
        SkippedRow(0, "no field 'body'"),
        Row(1, "a"),
    ]


def test_a_key_that_no_first_line_has_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SaescopeError, match=r"rows\.jsonl has no column 'body'; its columns are 'id', 'title'"):
        jsonl(tmp_path, '{"id": 1, "title": "a"}', column="body")


def test_a_file_without_any_json_object_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SaescopeError, match=r"rows\.jsonl isn't JSON Lines"):
        jsonl(tmp_path, "[1, 2]", "[3]")


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())], ids=str
)
def test_every_kind_of_text_column_of_parquet_is_read(tmp_path: Path, kind: pa.DataType) -> None:
    column = pa.array([" a ", None, "ä", ""]).cast(kind)
    assert parquet(tmp_path, {"id": pa.array([1, 2, 3, 4]), "title": column}) == [
        Row(0, "a"),
        SkippedRow(1, "no text"),
        Row(2, "ä"),
        SkippedRow(3, "no text"),
    ]


def test_broken_utf8_in_parquet_skips_one_row(tmp_path: Path) -> None:
    broken = pa.array([b"a", b"\xff", b"c"]).view(pa.string())
    assert parquet(tmp_path, {"title": broken}) == [Row(0, "a"), SkippedRow(1, "not valid Unicode"), Row(2, "c")]


def test_a_missing_parquet_column_is_an_error_that_lists_them(tmp_path: Path) -> None:
    with pytest.raises(SaescopeError, match=r"no column 'body'; its columns are 'id', 'title'"):
        parquet(tmp_path, {"id": pa.array([1]), "title": pa.array(["a"])}, "body")


def test_a_parquet_file_without_rows_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SaescopeError, match=r"rows\.parquet has no rows"):
        parquet(tmp_path, {"title": pa.array([], pa.string())})


def test_a_file_that_only_begins_like_parquet_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1" + b"\0" * 100)
    with pytest.raises(SaescopeError, match=r"a\.parquet isn't a readable Parquet file"):
        open_source(str(path))


def test_a_parquet_file_that_is_damaged_inside_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    rows = [f"{i} {i * i}" for i in range(5000)]
    pq.write_table(pa.table({"title": rows}), path, row_group_size=1000, use_dictionary=False)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = b"\xff" * 3000
    path.write_bytes(content)
    with open_source(str(path)) as source, pytest.raises(SaescopeError, match=r"a\.parquet is damaged after row \d+"):
        list(source)


def test_the_fraction_of_a_parquet_file_is_by_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"title": ["a"] * 1000}), path)
    with open_source(str(path)) as source:
        fractions = [source.fraction_read() for _ in source]
    assert fractions[249] == 0.25
    assert fractions[-1] == 1.0
