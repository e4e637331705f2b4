"""Columns to keep come with the rows from every format that has columns; what has none says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparse_autoencoder.data.kept_columns import MOST_COLUMNS, KeptColumns, kept_columns
from sparse_autoencoder.data.row_skip_rules import Record, Row, SkippedRow
from sparse_autoencoder.data.rows_hash import hash_of_records
from sparse_autoencoder.data.source import open_source
from sparse_autoencoder.data.table import ReadingOptions
from sparse_autoencoder.errors import SaescopeError

ROWS: list[dict[str, Any]] = [
    {"title": "Up", "day": "Monday", "n": 1, "by": {"name": "Ann"}},
    {"title": "", "day": "Tuesday", "n": 2, "by": {"name": "Bob"}},
    {"title": "Down", "day": None, "n": 3, "by": {"name": " Zoë "}},
]
KEPT = ("n", "day")
EXPECTED = [("1", "Monday"), "no text", ("3", None)]


def csv(path: Path) -> None:
    lines = [f"{row['title']},{row['day'] or ''},{row['n']}" for row in ROWS]
    path.write_text("\n".join(["title,day,n", *lines]), encoding="utf-8")


def jsonl(path: Path) -> None:
    path.write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")


def array(path: Path) -> None:
    path.write_text(json.dumps(ROWS), encoding="utf-8")


def parquet(path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), path)


FORMATS: dict[str, Callable[[Path], None]] = {"csv": csv, "jsonl": jsonl, "json": array, "parquet": parquet}


def kept(path: Path, *columns: str) -> list[tuple[str | None, ...] | str]:
    """What is kept of each record of a file, or the reason why it was skipped."""
    with open_source(str(path), ReadingOptions(kept=columns)) as source:
        return [record.columns if isinstance(record, Row) else record.reason for record in source]


@pytest.mark.parametrize("name", FORMATS)
def test_columns_are_kept_in_the_order_in_which_they_are_asked_for(name: str, tmp_path: Path) -> None:
    FORMATS[name](tmp_path / f"rows.{name}")
    assert kept(tmp_path / f"rows.{name}", *KEPT) == EXPECTED


@pytest.mark.parametrize("name", ["jsonl", "json", "parquet"])
def test_a_nested_field_is_kept(name: str, tmp_path: Path) -> None:
    FORMATS[name](tmp_path / f"rows.{name}")
    assert kept(tmp_path / f"rows.{name}", "by.name") == [("Ann",), "no text", ("Zoë",)]


@pytest.mark.parametrize("name", FORMATS)
def test_the_text_column_can_be_kept_too(name: str, tmp_path: Path) -> None:
    FORMATS[name](tmp_path / f"rows.{name}")
    assert kept(tmp_path / f"rows.{name}", "title", "day") == [("Up", "Monday"), "no text", ("Down", None)]


@pytest.mark.parametrize("name", FORMATS)
def test_a_column_that_there_is_not_is_refused_with_those_there_are(name: str, tmp_path: Path) -> None:
    FORMATS[name](tmp_path / f"rows.{name}")
    with pytest.raises(SaescopeError, match=rf"^rows\.{name} has no column 'source'; its columns are 'title', 'day', "):
        kept(tmp_path / f"rows.{name}", "source")


@pytest.mark.parametrize(("name", "text", "what"), [("a.txt", "Up", "plain text"), ("a.json", '["Up"]', "strings")])
def test_what_has_no_columns_says_so(name: str, text: str, what: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SaescopeError, match=rf"^{name} is read as .*{what}, which has no columns; leave out --keep-"):
        kept(tmp_path / name, "day")


def test_a_byte_that_is_no_character_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"title,day\nUp,caf\xe9\n" + "Down,Zoë\n".encode() * 40)
    assert kept(tmp_path / "rows.csv", "day")[0] == ("caf\N{REPLACEMENT CHARACTER}",)


@pytest.mark.parametrize(
    ("keep", "group_by", "expected"),
    [
        (None, None, KeptColumns()),
        ("source,date", None, KeptColumns(("source", "date"))),
        (" source , date,source", "date", KeptColumns(("source", "date"), 1)),
        (None, "source", KeptColumns(("source",), 0)),
        ("date", "source", KeptColumns(("date", "source"), 1)),
    ],
)
def test_the_column_to_group_by_is_kept_too(keep: str | None, group_by: str | None, expected: KeptColumns) -> None:
    assert kept_columns(keep, group_by) == expected


@pytest.mark.parametrize(
    ("keep", "group_by", "sentence"),
    [
        ("a,,b", None, "--keep-columns 'a,,b' has an empty name; write it as --keep-columns source,date"),
        ("", None, "--keep-columns '' has an empty name; write it as --keep-columns source,date"),
        (None, " ", "--group-by needs a column's name"),
        (",".join(map(str, range(MOST_COLUMNS + 1))), None, "51 columns are to be kept; at most 50 can be"),
    ],
)
def test_a_wrong_list_of_columns_is_refused(keep: str | None, group_by: str | None, sentence: str) -> None:
    with pytest.raises(SaescopeError) as refused:
        kept_columns(keep, group_by)
    assert str(refused.value) == sentence


def test_other_values_in_a_kept_column_are_other_rows() -> None:
    rows: list[Record] = [Row(0, "up", ("a", None)), Row(2, "down", ("b", "c")), SkippedRow(1, "no text")]
    hashes = {
        hash_of_records(changed)
        for changed in (
            rows,
            [Row(0, "up", ("a", "")), *rows[1:]],
            [Row(0, "up", (None, "a")), *rows[1:]],
            [rows[0], Row(2, "down", ("bc", "")), rows[2]],
            [Row(0, "up"), Row(2, "down"), rows[2]],
        )
    }
    assert len(hashes) == 5
