"""Whatever texts are written, they are read back; hypothesis looks for texts for which that isn't so."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
import unicodedata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.data.csv_dialect import CsvDialect
from sparse_autoencoder.data.csv_rows import CsvRows
from sparse_autoencoder.data.row_skip_rules import Record, Row, SkippedRow
from sparse_autoencoder.data.source import open_source
from sparse_autoencoder.data.table import ReadingOptions

TEXTS = st.text(st.sampled_from("ab ,\"\n\r\t'é😀\u2028\ufeff\x1c\0") | st.characters(codec="utf-8"), max_size=12)
TABLES = st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=12)


def expected(texts: list[str]) -> list[Record]:
    return [expected_record(i, text.strip()) for i, text in enumerate(texts)]


def expected_record(row_id: int, text: str) -> Record:
    if not text:
        return SkippedRow(row_id, "no text")
    if "\0" in text:
        return SkippedRow(row_id, "NUL bytes in the text")
    if all(unicodedata.category(char)[0] in "CZM" or char in "\u115f\u1160\u2800\u3164\uffa0" for char in text):
        return SkippedRow(row_id, "only invisible characters")
    return Row(row_id, text)


def read_back(name: str, content: bytes) -> list[Record]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        with open_source(str(path), ReadingOptions(encoding="utf-8")) as source:
            return list(source)


def as_csv(table: list[tuple[str, str, str]], delimiter: str = ",") -> bytes:
    output = io.StringIO(newline="")
    csv.writer(output, delimiter=delimiter).writerows([("id", "title", "date"), *table])
    return output.getvalue().encode()


class Dribble(io.RawIOBase):
    """A stream that gives a few bytes at a time."""

    def __init__(self, content: bytes, size: int) -> None:
        self._rest, self._size = content, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._rest[: min(self._size, len(buffer))]
        buffer[: len(piece)] = piece
        self._rest = self._rest[len(piece) :]
        return len(piece)


@given(TABLES)
def test_what_csv_writes_is_read_back(table: list[tuple[str, str, str]]) -> None:
    assert read_back("a.csv", as_csv(table)) == expected([row[1] for row in table])


@given(TABLES)
def test_what_csv_writes_with_tabs_is_read_back(table: list[tuple[str, str, str]]) -> None:
    assert read_back("a.tsv", as_csv(table, "\t")) == expected([row[1] for row in table])


@given(TABLES)
def test_what_csv_writes_is_read_back_through_gzip(table: list[tuple[str, str, str]]) -> None:
    assert read_back("a.csv.gz", gzip.compress(as_csv(table))) == expected([row[1] for row in table])


@given(TABLES, st.integers(1, 7))
def test_csv_is_read_alike_however_it_arrives(table: list[tuple[str, str, str]], size: int) -> None:
    stream = io.TextIOWrapper(io.BufferedReader(Dribble(as_csv(table), size), 8), encoding="utf-8", newline="\n")
    assert list(CsvRows(stream, CsvDialect(","), None, "a")) == expected([row[1] for row in table])


@given(st.binary(max_size=200))
def test_no_bytes_break_the_csv_reader(content: bytes) -> None:
    records = read_back("a.csv", b"id,title\n0,first\n" + content)
    assert records[0] == Row(0, "first")
    assert [record.row_id for record in records] == list(range(len(records)))


@given(st.lists(st.text('ab,"\n', max_size=8), max_size=30))
def test_sound_lines_after_broken_quoting_are_all_read(broken: list[str]) -> None:
    # a line whose quotes can't be part of an earlier record, as they are followed by text, ends any confusion
    end = 'x"y,"z" z\n7,sound\n8,sound too\n'
    records = read_back("a.csv", ("id,title\n" + "".join(f"{line}\n" for line in broken) + end).encode())
    assert [record.text for record in records if isinstance(record, Row)][-2:] == ["sound", "sound too"]


@given(st.lists(TEXTS, min_size=1, max_size=12), st.booleans())
def test_what_json_writes_is_read_back(texts: list[str], ascii_only: bool) -> None:
    lines = [json.dumps({"n": i, "title": text}, ensure_ascii=ascii_only) for i, text in enumerate(texts)]
    assert read_back("a.jsonl", "".join(f"{line}\n" for line in lines).encode()) == expected(texts)


@given(st.lists(TEXTS, min_size=1, max_size=12), st.integers(1, 5))
def test_what_parquet_holds_is_read_back(texts: list[str], row_group_size: int) -> None:
    output = io.BytesIO()
    table = pa.table({"title": pa.array(texts, pa.string()), "n": list(range(len(texts)))})
    pq.write_table(table, output, row_group_size=row_group_size)
    assert read_back("a.parquet", output.getvalue()) == expected(texts)
