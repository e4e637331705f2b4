"""Which format a file is in: as the user says, or by its first bytes, or by the extension of its name.

The first bytes count more than the extension, as people's extensions are often wrong. What can't be read is called
what it is.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sparse_autoencoder.data.compression import EXTENSIONS
from sparse_autoencoder.data.csv_dialect import looks_like_table
from sparse_autoencoder.data.json_rows import is_json_object
from sparse_autoencoder.errors import DataError, SaescopeError
from sparse_autoencoder.utils.printable import printable

CSV, TSV, JSONL, JSON, TEXT, PARQUET = "csv", "tsv", "jsonl", "json", "txt", "parquet"


@dataclass(frozen=True)
class FileFormat:
    """A format that can be read: the name that forces it, its extensions, and what it is called."""

    name: str
    extensions: tuple[str, ...]
    title: str


FORMATS = (
    FileFormat(CSV, ("csv",), "CSV, whatever its delimiter"),
    FileFormat(TSV, ("tsv", "tab"), "TSV"),
    FileFormat(JSONL, ("jsonl", "ndjson"), "JSON Lines"),
    FileFormat(JSON, ("json",), "JSON: an array of objects or strings, or JSON Lines"),
    FileFormat(PARQUET, ("parquet", "pq"), "Parquet"),
    FileFormat(TEXT, ("txt", "text"), "plain text, a row for each line"),
)
FORMAT_NAMES = tuple(kind.name for kind in FORMATS)
DELIMITERS = {CSV: ",", TSV: "\t"}
PARQUET_MAGIC = b"PAR1"
_BY_EXTENSION = {extension: kind.name for kind in FORMATS for extension in kind.extensions}
_TAR_AT = 257
_AS_TEXT = "txt:PATH"  # in a message, where the source stands in its place
_SHOWN_CHARS = 40
_SAMPLED_LINES = 100

_UNREADABLE = (  # first bytes -> what the file is, and what to do
    (b"PARE", "an encrypted Parquet file: decrypt it first"),
    (b"ARROW1", "an Arrow (Feather) file: write it as Parquet, as with pyarrow.parquet.write_table"),
    (b"FEA1", "a Feather file: write it as Parquet, as with pyarrow.parquet.write_table"),
    (b"Obj\x01", "an Avro file: write it as Parquet"),
    (b"ORC", "an ORC file: write it as Parquet"),
    (b"SQLite format 3\0", "an SQLite database: export the table as CSV"),
    (b"\x89HDF\r\n", "an HDF5 file: write its texts as Parquet or CSV"),
    (b"\x93NUMPY", "a NumPy array: write its texts as plain text or Parquet"),
    (b"\xd0\xcf\x11\xe0", "an Excel or Word document: save it as CSV"),
    (b"%PDF", "a PDF: extract its text first"),
    (b"{\\rtf", "a rich-text document: save it as plain text"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive: unpack it first"),
    (b"\x1f\x9d", "compressed with `compress`: decompress it first"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (
        b"version https://git-lfs.github.com/spec/",
        "a Git LFS pointer, not the file itself: fetch it with `git lfs pull`",
    ),
)
_UNREADABLE_PATTERNS = (  # the same for text
    (
        re.compile(rb"\x80[\x02-\x05]"),
        "a pickle, which could run any code when opened: write the texts as CSV or Parquet",
    ),
    (
        re.compile(rb"\s*<(!doctype\s+html|html)\b", re.IGNORECASE),
        "an HTML page, perhaps a login page or an error page "
        "that was downloaded instead of the data (txt:PATH reads it as plain text)",
    ),
    (
        re.compile(rb"\s*<\?xml\b"),
        "an XML file: write its texts as CSV or JSON Lines (txt:PATH reads it as plain text)",
    ),
)
_ARRAY_START = re.compile(r'\[\s*(\{\s*["}]|")')
_OBJECT_START = re.compile(r'\{\s*"')


def format_by_name(name: str) -> str | None:
    """The format that the extension of a file's name stands for, whether it is compressed or not; None if unknown."""
    parts = name.lower().split(".")
    while len(parts) > 2 and (parts[-1] in EXTENSIONS or parts[-1] == "zip"):
        parts.pop()
    return _BY_EXTENSION.get(parts[-1]) if len(parts) > 1 else None


def split_format(source: str) -> tuple[str | None, str]:
    """The format that a source forces, as in `csv:PATH`, or None; and the rest."""
    prefix, colon, rest = source.partition(":")
    return (prefix, rest) if colon and prefix in FORMAT_NAMES else (None, source)


def refuse_unreadable(start: bytes, name: str, typed: str) -> None:
    """Raise SaescopeError if a file that begins with these bytes is of a known kind that can't be read."""
    kind = next((kind for magic, kind in _UNREADABLE if start.startswith(magic)), None)
    kind = kind or next((kind for pattern, kind in _UNREADABLE_PATTERNS if pattern.match(start)), None)
    if start[_TAR_AT : _TAR_AT + 5] == b"ustar":
        kind = "a tar archive: unpack it first, and give its folder"
    if kind is not None:
        raise DataError(f"{name} is {kind.replace(_AS_TEXT, f'txt:{typed}')}")


def format_of_text(
    lines: Sequence[str], expected: str | None, forced: str | None, wanted: str | None, name: str, typed: str
) -> str:
    """The format of a text that begins with these lines.

    `expected` is the format by its name, `forced` the one that the user gave, `wanted` the text column that the user
    gave, `typed` the source as it is typed, for messages. Raises SaescopeError if the format can't be told.
    """
    first = next((line for line in lines if line.strip()), "").lstrip("\ufeff").strip()
    start = "".join(lines)[:10_000].lstrip("\ufeff").lstrip()
    by_content = None
    if _OBJECT_START.match(start) or start.startswith("{}"):
        some = [first] if expected != JSONL else lines[:_SAMPLED_LINES]
        by_content = JSONL if any(map(is_json_object, some)) else JSON
    elif expected != JSONL and (_ARRAY_START.match(start) or (start.startswith("[") and JSON in (expected, forced))):
        by_content = JSON
    if forced is not None:
        return by_content if by_content and forced == JSON else forced
    if by_content is not None:
        return by_content
    if expected == JSONL and start.startswith("["):
        return JSONL
    if expected in DELIMITERS or (expected == TEXT and wanted is None):
        return str(expected)
    if looks_like_table(lines, wanted):
        return CSV
    if expected == TEXT:
        return TEXT
    shown = printable(first[:_SHOWN_CHARS])
    if expected is None:
        raise SaescopeError(
            f"the format of {name} can't be told from its name or from its beginning, {shown!r}: say what it is, as in "
            f"--source csv:{typed}; the formats are {', '.join(FORMAT_NAMES)}"
        )
    called = {JSON: "JSON", JSONL: "JSON", PARQUET: "Parquet"}[expected]
    raise DataError(
        f"{name} isn't {called}: it begins with {shown!r}; if it is something else, say so, as in --source csv:{typed}"
    )
