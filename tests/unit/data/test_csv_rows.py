"""CSV and TSV: which records a file holds, above all when it is broken."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from sparse_autoencoder.data.row_skip_rules import MAX_ROW_CHARS, Record, Row, SkippedRow
from sparse_autoencoder.data.source import open_source
from sparse_autoencoder.data.table import ReadingOptions
from sparse_autoencoder.errors import SaescopeError


def records(path: Path, content: str | bytes, text_column: str | None = None) -> list[Record]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with open_source(str(path), ReadingOptions(text_column, encoding="utf-8")) as source:
        return list(source)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


def test_the_title_column_is_read_and_rows_are_counted_from_0(path: Path) -> None:
    content = ",title,date,stock\n7,Apple beats,2020,AAPL\n8, Ford cut to Sell ,2020,F\n"
    assert records(path, content) == [Row(0, "Apple beats"), Row(1, "Ford cut to Sell")]


def test_a_quoted_field_may_hold_commas_quotes_and_lines(path: Path) -> None:
    assert records(path, 'id,title\n1,"a, ""b""\nc"\n2,d\n') == [Row(0, 'a, "b"\nc'), Row(1, "d")]


def test_a_byte_order_mark_and_carriage_returns_are_no_part_of_the_text(path: Path) -> None:
    assert records(path, b"\xef\xbb\xbftitle,id\r\none,1\r\ntwo,2\r\n") == [Row(0, "one"), Row(1, "two")]


def test_a_last_line_without_a_newline_is_a_row(path: Path) -> None:
    assert records(path, "title\none\ntwo") == [Row(0, "one"), Row(1, "two")]


def test_blank_lines_are_no_records(path: Path) -> None:
    assert records(path, "\n\nid,title\n1,a\n\n   \n2,b\n\n") == [Row(0, "a"), Row(1, "b")]


def test_a_text_of_only_spaces_is_skipped(path: Path) -> None:
    assert records(path, "id,title\n1,   \n2,b\n3,\n") == [
        SkippedRow(0, "no text"),
        Row(1, "b"),
        SkippedRow(2, "no text"),
    ]


def test_broken_utf8_skips_the_row_only_if_it_is_in_the_text(path: Path) -> None:
    content = b"title,author\ncaf\xe9,x\nfine,Andr\xe9\ncaf\xc3\xa9,x\n"
    assert records(path, content) == [SkippedRow(0, "not valid Unicode"), Row(1, "fine"), Row(2, "café")]


def test_nul_bytes_in_the_text_skip_the_row(path: Path) -> None:
    assert records(path, b"title,id\na\0b,1\nc,2\0\n") == [SkippedRow(0, "NUL bytes in the text"), Row(1, "c")]


def test_fewer_or_more_fields_than_the_header_skip_the_row_with_counts(path: Path) -> None:
    assert records(path, "a,title\n1,x\n2\n3,y,z\n4,w\n") == [
        Row(0, "x"),
        SkippedRow(1, "1 field where the header has 2"),
        SkippedRow(2, "3 fields where the header has 2"),
        Row(3, "w"),
    ]


def test_an_opening_quote_that_is_never_closed_costs_one_line(path: Path) -> None:
    assert records(path, 'id,title\n1,a\n2,"b\n3,c\n4,d\n') == [
        Row(0, "a"),
        SkippedRow(1, "a quoted field that is never closed"),
        Row(2, "c"),
        Row(3, "d"),
    ]


def test_a_stray_quote_that_a_later_quoted_field_seems_to_close_costs_one_line(path: Path) -> None:
    assert records(path, 'id,title\n1,"a\n2,b\n3,"c, d"\n4,e\n') == [
        SkippedRow(0, "text after a closing quote"),
        Row(1, "b"),
        Row(2, "c, d"),
        Row(3, "e"),
    ]


def test_a_stray_quote_that_ends_in_a_record_of_the_wrong_width_costs_one_line(path: Path) -> None:
    assert records(path, 'id,title\n1,"a\n2,b",c\n3,d\n') == [
        SkippedRow(0, "3 fields where the header has 2, over several lines: a stray quote?"),
        SkippedRow(1, "3 fields where the header has 2"),
        Row(2, "d"),
    ]


def test_two_stray_quotes_cost_two_lines(path: Path) -> None:
    assert records(path, 'title,id\nfine,0\n"bad,1\n"bad,2\nfine,3\n') == [
        Row(0, "fine"),
        SkippedRow(1, "text after a closing quote"),
        SkippedRow(2, "a quoted field that is never closed"),
        Row(3, "fine"),
    ]


def test_a_stray_quote_far_from_the_end_costs_one_line(path: Path) -> None:
    lines = [f"{i},row {i}" for i in range(200_000)]
    lines[10] = '10,"row 10'
    result = records(path, "id,title\n" + "\n".join(lines) + "\n")
    assert result[10] == SkippedRow(10, f"a quoted field that isn't closed within {MAX_ROW_CHARS:,} characters")
    assert [record for record in result if record.row_id != 10] == [
        Row(i, f"row {i}") for i in range(200_000) if i != 10
    ]


def test_a_carriage_return_outside_quotes_skips_the_row(path: Path) -> None:
    assert records(path, b"id,title\n1,a\rb\n2,c\n") == [
        SkippedRow(0, "a carriage return outside quotes"),
        Row(1, "c"),
    ]


@pytest.mark.parametrize("opening", ["", '"'], ids=["unquoted", "quoted"])
def test_a_row_of_50_megabytes_is_skipped_without_being_held(path: Path, opening: str) -> None:
    with path.open("w") as file:
        file.write(f"id,title\n1,a\n2,{opening}")
        for _ in range(50):
            file.write("x" * 1_000_000)
        file.write(f"{opening}\n3,b\n")
    tracemalloc.start()
    try:
        with open_source(str(path)) as source:
            result = list(source)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result == [Row(0, "a"), SkippedRow(1, "longer than 1,048,576 characters"), Row(2, "b")]
    assert peak < 16_000_000


def test_an_overlong_line_within_an_open_quote_costs_both_lines(path: Path) -> None:
    result = records(path, "\n".join(["id,title", '1,"a', "2," + "x" * MAX_ROW_CHARS, "3,b", ""]))
    assert result == [
        SkippedRow(0, "a quoted field that isn't closed within 1,048,576 characters"),
        SkippedRow(1, "longer than 1,048,576 characters"),
        Row(2, "b"),
    ]


def test_a_quoted_text_longer_than_the_csv_module_allows_by_default_is_read(path: Path) -> None:
    assert records(path, f'title\n"{"y" * 900_000}"\n') == [Row(0, "y" * 900_000)]


def test_tabs_separate_the_fields_of_a_tsv_file(tmp_path: Path) -> None:
    assert records(tmp_path / "rows.tsv", "id\ttext\n1\ta, b\n") == [Row(0, "a, b")]


@pytest.mark.parametrize(("header", "column"), [("title,text", "title"), ("id,text", "text"), ("headline", "headline")])
def test_the_text_column_is_title_else_text_else_the_only_one(path: Path, header: str, column: str) -> None:
    path.write_text(f"{header}\n" + ",".join("x" for _ in header.split(",")) + "\n")
    with open_source(str(path)) as source:
        assert source.describe()["text_column"] == column


@pytest.mark.parametrize(
    ("content", "column", "message"),
    [
        ("id,headline\n1,a\n", None, "rows.csv has no column 'title' or 'text'; .*--text-column: 'id', 'headline'"),
        ("id,title\n1,a\n", "body", "rows.csv has no column 'body'; its columns are 'id', 'title'"),
        ("title,title\na,b\n", None, "rows.csv has more than one column 'title'"),
        ('id,"title\n1,a\n', None, "the header of rows.csv can't be read: a quoted field that is never closed"),
        ("id,title\rx\n1,a\n", None, "the header of rows.csv can't be read: a carriage return outside quotes"),
        ("\n\n", None, "rows.csv has no header: it holds only blank lines"),
        ("x" * (MAX_ROW_CHARS + 2), None, "the first line of rows.csv is longer than 1,048,576 characters"),
    ],
    ids=["no default", "missing", "twice", "open quote", "carriage returns", "blank", "endless"],
)
def test_an_unusable_header_is_an_error_that_says_why(
    path: Path, content: str, column: str | None, message: str
) -> None:
    with pytest.raises(SaescopeError, match=message):
        records(path, content, column)


def test_two_columns_of_one_name_are_fine_where_another_is_read(path: Path) -> None:
    assert records(path, "x,x,title\n1,2,a\n") == [Row(0, "a")]


def test_a_file_with_only_a_header_is_an_error(path: Path) -> None:
    with pytest.raises(SaescopeError, match=r"rows\.csv has no rows"):
        records(path, "id,title\n")


def test_broken_records_one_after_another_are_each_counted_and_the_sound_ones_after_them_read(path: Path) -> None:
    # every line closes the quote of the line before and opens another
    result = records(path, "id,title\n" + 'a","b\n' * 2000 + 'end"x,\n' + '1,"sound\nover two lines"\n')
    assert [type(record) for record in result] == [*[SkippedRow] * 2001, Row]
    assert result[-1] == Row(2001, "sound\nover two lines")
