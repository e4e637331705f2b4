"""Which dialect a CSV file is in: whatever delimiter it was written with is found, and its texts are read back."""

from __future__ import annotations

import csv
import io
from typing import Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sparse_autoencoder.data.csv_dialect import DELIMITERS, checked_delimiter, dialect_of
from sparse_autoencoder.data.csv_rows import CsvRows
from sparse_autoencoder.data.row_skip_rules import Row
from sparse_autoencoder.errors import SaescopeError

WORDS = st.lists(st.sampled_from(["Apple", "Ford;", "cut,", "to|", "sell\t", "3,5", "x:y", '"up"', "#1"]), max_size=5)
TEXTS = WORDS.map(" ".join).map(str.strip).map(lambda text: f"The {text}".strip())


def written(rows: list[list[str]], delimiter: str, quoting: Literal[0, 1] = csv.QUOTE_MINIMAL) -> str:
    sink = io.StringIO(newline="")
    csv.writer(sink, delimiter=delimiter, quoting=quoting, lineterminator="\n").writerows(rows)
    return sink.getvalue()


def read(content: str, usual: str = ",", wanted: str | None = None) -> list[str]:
    dialect = dialect_of(content.splitlines(keepends=True), usual, wanted, None, has_header=True)
    records = list(CsvRows(io.StringIO(content, newline="\n"), dialect, wanted, "a"))
    return [record.text if isinstance(record, Row) else f"skipped: {record.reason}" for record in records]


@given(
    st.lists(TEXTS, min_size=1, max_size=20),
    st.sampled_from(DELIMITERS),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["title", "headline"]),
    st.integers(2, 4),
)
def test_what_is_written_with_any_delimiter_is_read_back(
    texts: list[str], delimiter: str, quoting: Literal[0, 1], column: str, width: int
) -> None:
    header = ["id", column, *(f"x{i}" for i in range(width - 2))]
    rows = [[str(i), text, *("1,5" for _ in range(width - 2))] for i, text in enumerate(texts)]
    wanted = None if column == "title" else column
    assert read(written([header, *rows], delimiter, quoting), ",", wanted) == texts


@given(st.lists(TEXTS, min_size=1, max_size=20), st.sampled_from(["title", "text"]))
def test_a_single_column_stays_one_whatever_its_texts_hold(texts: list[str], column: str) -> None:
    content = written([[column], *([text] for text in texts)], ",")
    assert read(content) == texts


@given(st.lists(TEXTS, min_size=1, max_size=5), st.sampled_from(DELIMITERS), st.integers(0, 3), st.booleans())
def test_comments_before_the_header_are_no_part_of_the_table(
    texts: list[str], delimiter: str, comments: int, as_comment: bool
) -> None:
    assume(comments or as_comment)
    table = written([["id", "title"], *([str(i), text] for i, text in enumerate(texts))], delimiter)
    before = "".join(f"# line {i}; made, by | hand\n" for i in range(comments))
    assert read(before + ("#" if as_comment else "") + table) == texts


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"', "sep=; "])
def test_excel_s_first_line_says_the_delimiter(line: str) -> None:
    assert read(f"{line}\nid;title\n1;Apple, up\n") == ["Apple, up"]


def test_a_comma_in_a_number_is_no_delimiter() -> None:
    assert read("id;price;title\n1;3,50;Apple\n2;4,25;Ford\n") == ["Apple", "Ford"]


def test_broken_rows_dont_change_the_delimiter() -> None:
    assert read('id,title\n1,"a\n2,b;c\n3,d;e\n4,f;g\n')[-1] == "f;g"


@pytest.mark.parametrize(("text", "delimiter"), [(";", ";"), ("tab", "\t"), ("\\t", "\t"), ("PIPE", "|"), ("é", "é")])
def test_a_delimiter_is_a_character_or_its_name(text: str, delimiter: str) -> None:
    assert checked_delimiter(text) == delimiter


@pytest.mark.parametrize("text", ["", "ab", '"', "\n", "\0", " ", "\udcff", "colons"])
def test_what_can_not_be_a_delimiter_is_an_error(text: str) -> None:
    with pytest.raises(SaescopeError, match="can't be the delimiter"):
        checked_delimiter(text)
