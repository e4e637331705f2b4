"""The text of nested fields and of chat messages: the same in JSON Lines, JSON and Parquet."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparse_autoencoder.data.row_skip_rules import Row
from sparse_autoencoder.data.source import open_source
from sparse_autoencoder.data.table import ReadingOptions
from sparse_autoencoder.errors import SaescopeError

USER = {"role": "user", "content": "Buy?"}
ASSISTANT = {"role": "assistant", "content": "Sell."}
CASES: list[tuple[str, list[Any], str, list[str]]] = [
    ("an object", [{"m": {"c": "x"}}, {"m": {"c": "y"}}], "m.c", ["x", "y"]),
    ("three deep", [{"a": {"b": {"c": "x"}}}], "a.b.c", ["x"]),
    ("a name with a dot", [{"m.c": "x"}], "m.c", ["x"]),
    ("nothing there", [{"m": {"c": "x"}}, {"m": None}, {"m": {"c": None}}], "m.c", ["x", "-no text", "-no text"]),
    ("messages", [{"m": [USER, ASSISTANT]}], "m", ["Buy?\n\nSell."]),
    ("a message", [{"m": USER}], "m", ["Buy?"]),
    ("one message", [{"m": [USER, ASSISTANT]}, {"m": [USER]}], "m.1.content", ["Sell.", "-no element 1"]),
    ("all contents", [{"m": [USER, ASSISTANT]}], "m.content", ["Buy?\n\nSell."]),
    ("all contents of objects", [{"m": [{"t": "x"}, {"t": "y"}]}], "m.t", ["x\n\ny"]),
    ("no messages", [{"m": [USER]}, {"m": []}, {"m": None}], "m", ["Buy?", "-no text", "-no text"]),
    (
        "ShareGPT",
        [{"c": [{"from": "human", "value": "Buy?"}, {"from": "gpt", "value": "Sell."}]}],
        "c",
        ["Buy?\n\nSell."],
    ),
    (
        "parts",
        [{"m": [{"role": "user", "content": [{"type": "text", "text": "Buy?"}, {"type": "image", "text": None}]}]}],
        "m",
        ["Buy?"],
    ),
    ("a call without text", [{"m": [USER, {"role": "assistant", "content": None}]}], "m", ["Buy?"]),
    ("numbers", [{"m": {"n": 7}}], "m.n", ["7"]),
    ("truth values", [{"t": True}, {"t": False}], "t", ["true", "false"]),
]
FORMATS = ["jsonl", "json", "parquet"]


def written(folder: Path, name: str, rows: list[Any]) -> str:
    path = folder / f"rows.{name}"
    if name == "parquet":
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), sink)
        path.write_bytes(sink.getvalue())
    elif name == "json":
        path.write_text(json.dumps(rows, indent=1))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("what", "rows", "column", "texts"), CASES, ids=[case[0] for case in CASES])
def test_a_field_has_the_same_text_in_every_format(
    tmp_path: Path, name: str, what: str, rows: list[Any], column: str, texts: list[str]
) -> None:
    with open_source(written(tmp_path, name, rows), ReadingOptions(column)) as source:
        found = [record.text if isinstance(record, Row) else f"-{record.reason}" for record in source]
    assert found == texts


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("rows", "column", "says"),
    [
        ([{"m": {"c": "x"}}], "m", r"m\.c"),
        ([{"m": {"c": "x"}}], "m.d", r"no column 'm.d' \(did you mean m\.c\?\); its columns are 'm\.c'"),
        ([{"m": {"c": "x"}}], "c", r"no column 'c'; its columns are 'm\.c'"),
        ([{"words": ["x", "y"]}], "words", "list"),
        ([{"m": [{"t": "x"}]}], "m", r"m\.t"),
    ],
)
def test_what_has_no_text_is_an_error_that_names_what_has(
    tmp_path: Path, name: str, rows: list[Any], column: str, says: str
) -> None:
    with pytest.raises(SaescopeError, match=says):
        open_source(written(tmp_path, name, rows), ReadingOptions(column))
