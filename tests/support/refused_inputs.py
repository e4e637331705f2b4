"""Every kind of input that saescope doesn't read, each with an example and with what the error says."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from tests.support.readable_inputs import Files, Given, csv_text, json_lines, parquet, zipped

_CSV = csv_text().encode()
_FRENCH = ["Crédit Agricole relève ses prévisions", "Société Générale: bénéfice en baisse à la clôture"]
_WESTERN = csv_text(_FRENCH)
_SHARDS = [parquet({"title": [text]}) for text in "abc"]


@dataclass(frozen=True)
class Refused(Given):
    """An input that isn't read: what it is, its files, how it is given, and what the error says."""

    what: str
    files: Files
    says: str  # a regular expression
    given: str = ""
    flags: Mapping[str, str | bool] = field(default_factory=dict)


def _large_page() -> bytes:
    return parquet({"title": ["a" * (1 << 27)]}, compression="brotli", use_dictionary=False)


def _large_dictionary() -> bytes:
    texts = pa.DictionaryArray.from_arrays([0] * 9, ["a" * (1 << 27)])
    return parquet({"title": texts}, compression="brotli")


def _wide_xz() -> bytes:
    return lzma.compress(b"a", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}])


def _long_list() -> bytes:
    parts = pa.nulls(17_000_000, pa.string())
    messages = pa.StructArray.from_arrays([parts, parts], ["role", "content"])
    return parquet({"m": pa.ListArray.from_arrays([0, len(parts)], messages)})


REFUSED: list[Refused] = [
    *(
        Refused(
            f"{name} without saying so",
            {"news.csv": csv_text(texts).encode(name)},
            rf"isn't UTF-8.*{shown}.*--encoding",
        )
        for name, texts, shown in (
            ("cp1252", _FRENCH, "likely cp1252, in which a line reads .*Crédit Agricole relève"),
            ("latin-1", _FRENCH, "likely cp1252.*Crédit Agricole relève"),
            ("cp1251", ["Газпром повышает прогноз по добыче газа"], "cp1251"),
            ("shift-jis", ["トヨタ自動車は業績予想を上方修正した"], "likely (shift-jis|cp932).*トヨタ自動車"),
            ("gb18030", ["贵州茅台上调全年业绩预期", "中国平安股价上涨"], "likely gb18030.*贵州茅台"),
        )
    ),
    Refused(
        "UTF-16 without a mark",
        {"news.csv": _WESTERN.encode("utf-16-le")},
        "looks like UTF-16-LE.*--encoding utf-16-le",
    ),
    Refused(
        "UTF-16, big-endian", {"news.txt": _WESTERN.encode("utf-16-be")}, "looks like UTF-16-BE.*--encoding utf-16-be"
    ),
    Refused("UTF-32 without a mark", {"news.jsonl": json_lines().decode().encode("utf-32-le")}, "looks like UTF-32-LE"),
    Refused(
        "an encoding that isn't the file's",
        {"news.csv": _WESTERN.encode("utf-16")},
        "mark of utf-16: leave out",
        flags={"encoding": "cp1252"},
    ),
    Refused("no encoding", {"news.csv": _CSV}, "there is no text encoding 'base64'", flags={"encoding": "base64"}),
    Refused(
        "no encoding at all", {"news.csv": _CSV}, "there is no text encoding 'klingon'", flags={"encoding": "klingon"}
    ),
    Refused(
        "the wrong delimiter",
        {"news.csv": csv_text(delimiter=";").encode()},
        "single column.*whose name holds ';'.*--delimiter semicolon",
        flags={"delimiter": ","},
    ),
    Refused(
        "two characters as the delimiter", {"news.csv": _CSV}, "'::' can't be the delimiter", flags={"delimiter": "::"}
    ),
    Refused(
        "a row as the header", {"news.csv": b"Apple upgraded to buy today\nFord cut\n"}, "looks like a row.*--no-header"
    ),
    Refused("a number as the header", {"news.csv": b"1.5\n2.5\n"}, "looks like a row.*--no-header"),
    Refused(
        "no such column",
        {"news.csv": _CSV},
        "no column 'body'; its columns are 'id', 'title', 'stock'",
        flags={"text_column": "body"},
    ),
    Refused(
        "no column that could be chosen",
        {"news.jsonl": json_lines(key="body")},
        "name one with --text-column: 'id', 'body'",
    ),
    Refused(
        "an object where text should be",
        {"a.jsonl": b'{"message": {"body": "x"}}\n'},
        "is an object, not text; name one of 'message.body'",
    ),
    Refused(
        "a nested field that isn't there",
        {"a.jsonl": b'{"m": {"body": "x"}}\n'},
        "no column 'm.text'; its columns are 'm.body'",
        flags={"text_column": "m.text"},
    ),
    Refused(
        "a struct in Parquet", {"a.parquet": parquet({"m": [{"body": "x"}]})}, r"holds struct.*name one of 'm\.body'"
    ),
    Refused("a list in Parquet", {"a.parquet": parquet({"words": [["x"]]})}, "holds list.*not text"),
    Refused(
        "a delimiter for JSON",
        {"a.jsonl": json_lines()},
        "is read as jsonl, where --delimiter means nothing",
        flags={"delimiter": ";"},
    ),
    Refused(
        "shards of which one is missing",
        {f"t-{i:05d}-of-00003.parquet": _SHARDS[i] for i in (0, 2)},
        "incomplete, t-00001-of-00003.parquet is missing",
        "t-*",
    ),
    Refused(
        "a folder with two splits",
        {"d/train-00000-of-00001.parquet": _SHARDS[0], "d/test-00000-of-00001.parquet": _SHARDS[1]},
        "several kinds.*give a pattern",
        "d",
    ),
    Refused(
        "a folder with two formats", {"d/a.csv": _CSV, "d/b.jsonl": json_lines()}, "several kinds, a.csv, b.jsonl", "d"
    ),
    Refused("a folder with nothing to read", {"d/a.png": b"\x89PNG"}, "holds no file that can be read", "d"),
    Refused("a pattern that matches nothing", {"a.csv": _CSV}, r"no file matches .*\*\.tsv", "*.tsv"),
    Refused(
        "a zip archive with several files",
        {"a.zip": zipped({"a.csv": _CSV, "b.csv": _CSV})},
        "zip archive with a.csv, b.csv; name one",
    ),
    Refused(
        "a zip archive without that file",
        {"a.zip": zipped({"a.csv": _CSV})},
        "holds no file b.csv; it holds a.csv",
        "a.zip/b.csv",
    ),
    Refused(
        "an Excel workbook",
        {"a.xlsx": zipped({"[Content_Types].xml": b"<x/>", "xl/w.xml": b""})},
        "Office document.*save it as CSV",
    ),
    *(
        Refused(what, {"a.csv": content}, says)
        for what, content, says in (
            ("Arrow", b"ARROW1\0\0", "an Arrow"),
            ("Avro", b"Obj\x01\x04", "an Avro"),
            ("ORC", b"ORC\x01", "an ORC"),
            ("SQLite", b"SQLite format 3\0", "an SQLite"),
            ("HDF5", b"\x89HDF\r\n\x1a\n", "an HDF5"),
            ("NumPy", b"\x93NUMPY\x01\0", "a NumPy"),
            ("Excel of old", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel or Word"),
            ("PDF", b"%PDF-1.7", "a PDF"),
            ("pickle", b"\x80\x04\x95\x10", "a pickle, which could run any code"),
            ("HTML", b"<!DOCTYPE html><html><title>Log in</title>", "an HTML page"),
            ("XML", b'<?xml version="1.0"?><rss/>', "an XML file"),
            (
                "Git LFS",
                b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
                "Git LFS pointer.*git lfs pull",
            ),
            ("tar", b"a.csv".ljust(257, b"\0") + b"ustar\x0000", "a tar archive"),
            ("encrypted Parquet", b"PARE\0\0", "an encrypted Parquet"),
        )
    ),
    Refused("text that isn't JSON", {"a.json": b"just some words\n"}, "isn't JSON: it begins with 'just some words'"),
    Refused(
        "text without a known extension", {"a.log": b"just some words\n"}, "format of a.log can't be told.*csv:.*a.log"
    ),
    Refused(
        "compressed Parquet", {"a.parquet.gz": gzip.compress(_SHARDS[0])}, "Parquet compressed with gzip: unpack it"
    ),
    Refused(
        "an array that ends early", {"a.json": b'[{"title": "a"},'}, "isn't sound JSON after 1 values: it ends early"
    ),
    Refused("a large page of Parquet", {"a.parquet": lambda: _large_page()}, "would take too much memory: a page has"),
    Refused(
        "a large dictionary of Parquet",
        {"a.parquet": lambda: _large_dictionary()},
        "would take too much memory: a page has",
    ),
    Refused(
        "a row of Parquet with 17 million messages",
        {"a.parquet": lambda: _long_list()},
        "would take too much memory: a row group has 17,000,000 values",
    ),
    Refused(
        "xz that needs a gigabyte",
        {"a.csv.xz": lambda: _wide_xz()},
        "needs more than 256 MiB",
    ),
]
