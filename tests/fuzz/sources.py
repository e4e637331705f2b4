"""Fuzzes every source format: examples of all that can and can't be read, damaged, under any name, with any flags."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path

from sparse_autoencoder.data.source import open_source
from sparse_autoencoder.data.table import ReadingOptions
from sparse_autoencoder.errors import SaescopeError
from tests.fuzz.mutations import damaged
from tests.support.readable_inputs import READABLE
from tests.support.refused_inputs import REFUSED

_FILES = [*(example.files for example in READABLE), *(example.files for example in REFUSED)]
_EXAMPLES = [content for files in _FILES for content in files.values() if isinstance(content, bytes)]
_NAMES = [
    "a.csv",
    "a.tsv",
    "a.json",
    "a.jsonl",
    "a.parquet",
    "a.txt",
    "a.zip",
    "a.csv.gz",
    "a.jsonl.zst",
    "a",
    "a.xlsx",
]
_FORMATS = ["", "", "", "", "csv:", "tsv:", "json:", "jsonl:", "txt:", "parquet:"]
_ENCODINGS = [None, None, None, None, "utf-8", "utf-16", "cp1252", "shift-jis", "utf-7", "iso-2022-jp"]
_DELIMITERS = [None, None, None, ",", ";", "tab", "|"]
_COLUMNS = [None, None, None, "title", "text", "m.content", "messages", "messages.0.content", "0", "1.2.3", ".", "a..b"]
_MOST_ROWS = 5000


def make(folder: Path, chooser: random.Random) -> str:
    """Write an input into a folder; the source that reads it."""
    path = folder / chooser.choice(_NAMES)
    path.write_bytes(damaged(chooser.choice(_EXAMPLES), _EXAMPLES, chooser))
    return f"{chooser.choice(_FORMATS)}{path}"


def try_one(folder: Path, seed: int) -> None:
    """Read one made-up input; raises what no input may raise."""
    chooser = random.Random(seed)
    source = make(folder, chooser)
    options = ReadingOptions(
        chooser.choice(_COLUMNS), chooser.choice(_ENCODINGS), chooser.choice(_DELIMITERS), chooser.random() < 0.9
    )
    try:
        with open_source(source, options) as opened:
            opened.reading().encode()
            for record in islice(opened, _MOST_ROWS):
                str(getattr(record, "text", "")).encode()
                opened.fraction_read()
    except SaescopeError as error:
        sentence = str(error)
        sentence.encode()  # it can be printed
        assert "\n" not in sentence.strip(), f"the error has several lines: {sentence!r}"
        assert len(sentence) < 5000, f"the error is long: {sentence[:200]!r}"
