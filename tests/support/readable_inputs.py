"""Every kind of input that saescope reads, each with an example.

Tests read each example; the README's table is made of the same list (`docs/readme_blocks.py`).
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sparse_autoencoder.data.table import ReadingOptions

TEXTS = ["Apple, upgraded", 'Ford "cut" to sell', "Crédit Agricole relève ses prévisions", "Nokia: profit; up | 3 %"]
PLAIN = ["Apple upgraded", "Ford cut to sell", "Nokia up"]
Files = Mapping[str, bytes | Callable[[], bytes]]  # large contents are made when they are needed


class Given:
    """Files, and how they are given as a source: what inputs that are read and those that are refused share."""

    files: Files
    given: str
    flags: Mapping[str, str | bool]

    @property
    def source(self) -> str:
        """What follows --source, if the files are in the working directory."""
        return self.given or next(iter(self.files))

    @property
    def options(self) -> ReadingOptions:
        """The flags as the library takes them."""
        return ReadingOptions(**self.flags)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Readable(Given):
    """An input that is read: what it is, its files, how it is given, and which texts come of it."""

    what: str
    files: Files
    given: str = ""  # the source, below the folder with the files; by default the only file
    flags: Mapping[str, str | bool] = field(default_factory=dict)  # as ReadingOptions has them
    texts: list[str] = field(default_factory=lambda: TEXTS)
    listed: bool = True  # in the README

    @property
    def command(self) -> str:
        """The flags as they are typed."""
        words = [f"--source {self.source if not set(self.source) & set('*?[ ') else repr(self.source)}"]
        for name, value in self.flags.items():
            if name == "has_header":
                words.append("--no-header")
            else:
                words.append(f"--{name.replace('_', '-')} {value}")
        return " ".join(words)


def csv_text(texts: list[str] = TEXTS, delimiter: str = ",", header: bool = True) -> str:
    """A table with the columns id, title and stock."""
    quoted = ['"' + text.replace('"', '""') + '"' for text in texts]
    lines = [delimiter.join((str(i), text, "F")) for i, text in enumerate(quoted)]
    return "".join(f"{line}\n" for line in [delimiter.join(("id", "title", "stock")), *lines][not header :])


def json_lines(texts: list[Any] = TEXTS, key: str = "title") -> bytes:
    """An object for each text."""
    return "".join(json.dumps({"id": i, key: text}, ensure_ascii=False) + "\n" for i, text in enumerate(texts)).encode()


def parquet(columns: Mapping[str, Any], **settings: Any) -> bytes:
    """A Parquet file with these columns."""
    sink = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), sink, **settings)
    return sink.getvalue()


def zipped(files: Mapping[str, bytes], **settings: Any) -> bytes:
    """A zip archive."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, **settings) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return sink.getvalue()


def arrow_compressed(content: bytes, compression: str) -> bytes:
    """Bytes compressed by pyarrow."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, compression) as stream:
        stream.write(content)
    compressed: bytes = sink.getvalue().to_pybytes()
    return compressed


COMPRESSORS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gz", gzip.compress),
    "bzip2": ("bz2", bz2.compress),
    "xz": ("xz", lzma.compress),
    "Zstandard": ("zst", lambda content: arrow_compressed(content, "zstd")),
    "LZ4": ("lz4", lambda content: arrow_compressed(content, "lz4")),
}

_CSV = csv_text().encode()
_OBJECTS = [{"id": i, "title": text} for i, text in enumerate(TEXTS)]
_MESSAGES = [
    {"messages": [{"role": "user", "content": "Buy?"}, {"role": "assistant", "content": text}]} for text in TEXTS
]
_JOINED = [f"Buy?\n\n{text}" for text in TEXTS]
_PREDICTIONS = ["Crédit Agricole relève ses prévisions", "Société Générale: bénéfice en baisse à la clôture"]
_WESTERN = csv_text(_PREDICTIONS)
_SHARDS = [parquet({"title": [text]}) for text in PLAIN]


def _dumped(value: Any, **settings: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, **settings).encode()


READABLE: list[Readable] = [
    Readable("CSV", {"news.csv": _CSV}),
    Readable("TSV", {"news.tsv": csv_text(delimiter="\t").encode()}),
    Readable("CSV with semicolons, tabs, pipes …: found out", {"news.csv": csv_text(delimiter=";").encode()}),
    *(
        Readable(f"CSV with {delimiter!r}", {"news.csv": csv_text(delimiter=delimiter).encode()}, listed=False)
        for delimiter in "\t|^~\x01\x1f"
    ),
    Readable(
        "CSV whose delimiter isn't a usual one", {"news.csv": csv_text(delimiter=":").encode()}, "", {"delimiter": ":"}
    ),
    Readable("CSV as Excel writes it, `sep=;` first", {"news.csv": b"sep=;\n" + csv_text(delimiter=";").encode()}),
    Readable("CSV after comments that begin with #", {"news.csv": b"# made by hand\n# in 2026\n" + _CSV}),
    Readable("CSV whose header begins with #", {"news.csv": b"# made, by hand\n#" + _CSV}, listed=False),
    Readable(
        "CSV without a header: columns are 0, 1, …",
        {"news.csv": csv_text(header=False).encode()},
        flags={"has_header": False, "text_column": "1"},
    ),
    Readable(
        "CSV with another column", {"news.csv": _CSV.replace(b"title", b"headline")}, "", {"text_column": "headline"}
    ),
    Readable("CSV with one column", {"news.csv": b"headline\n" + "\n".join(PLAIN).encode()}, texts=PLAIN, listed=False),
    Readable("CSV with old Macs' line ends", {"news.csv": _CSV.replace(b"\n", b"\r")}, listed=False),
    Readable("CSV with Windows' line ends", {"news.csv": _CSV.replace(b"\n", b"\r\n")}, listed=False),
    Readable("plain text, a row for each line", {"news.txt": "\n".join(TEXTS).encode()}),
    Readable("JSON Lines", {"news.jsonl": json_lines()}),
    Readable("JSON Lines called .json", {"news.json": json_lines()}, listed=False),
    Readable("JSON: an array of objects", {"news.json": _dumped(_OBJECTS)}),
    Readable("JSON over many lines", {"news.json": _dumped(_OBJECTS, indent=2)}, listed=False),
    Readable("JSON: an array of strings", {"news.json": _dumped(TEXTS)}),
    Readable(
        "JSON: objects one after the other",
        {"news.json": b"\n".join(_dumped(entry, indent=1) for entry in _OBJECTS)},
        listed=False,
    ),
    Readable("JSON: an object around the array", {"news.json": _dumped({"version": 1, "data": _OBJECTS}, indent=1)}),
    Readable(
        "a nested field",
        {"news.jsonl": b"".join(_dumped({"message": {"content": text}}) + b"\n" for text in TEXTS)},
        flags={"text_column": "message.content"},
    ),
    Readable(
        "chat messages, joined by blank lines",
        {"chats.jsonl": b"".join(_dumped(entry) + b"\n" for entry in _MESSAGES)},
        flags={"text_column": "messages"},
        texts=_JOINED,
    ),
    Readable(
        "the second message alone",
        {"chats.jsonl": b"".join(_dumped(entry) + b"\n" for entry in _MESSAGES)},
        flags={"text_column": "messages.1.content"},
    ),
    Readable("Parquet", {"news.parquet": parquet({"id": list(range(4)), "title": TEXTS})}),
    Readable(
        "Parquet with dictionaries",
        {"news.parquet": parquet({"title": pa.array(TEXTS).dictionary_encode()})},
        listed=False,
    ),
    Readable(
        "Parquet, a nested field",
        {"news.parquet": parquet({"message": [{"content": text, "id": 1} for text in TEXTS]})},
        flags={"text_column": "message.content"},
        listed=False,
    ),
    Readable(
        "Parquet with chat messages",
        {"chats.parquet": parquet({"messages": [entry["messages"] for entry in _MESSAGES]})},
        texts=_JOINED,
        listed=False,
    ),
    *(
        Readable(f"compressed with {name}", {f"news.csv.{end}": compress(_CSV)}, listed=True)
        for name, (end, compress) in COMPRESSORS.items()
    ),
    *(
        Readable(f"compressed with {name} without saying so", {"news.csv": compress(_CSV)}, listed=False)
        for name, (_, compress) in COMPRESSORS.items()
    ),
    Readable("a zip archive with one file", {"news.zip": zipped({"news.csv": _CSV, "README.md": b"about"})}),
    Readable("a file of a zip archive", {"news.zip": zipped({"a.csv": b"x\n", "b.csv": _CSV})}, "news.zip/b.csv"),
    Readable(
        "a zip archive with a compressed file", {"news.zip": zipped({"a.csv.gz": gzip.compress(_CSV)})}, listed=False
    ),
    Readable("the wrong extension: JSON Lines", {"news.csv": json_lines()}, listed=False),
    Readable("the wrong extension: JSON", {"news.txt": _dumped(_OBJECTS)}, listed=False),
    Readable("the wrong extension: Parquet", {"news.csv": parquet({"title": TEXTS})}, listed=False),
    Readable("the wrong extension: CSV", {"news.json": _CSV}, listed=False),
    Readable("the wrong extension: CSV in .parquet", {"news.parquet": _CSV}, listed=False),
    Readable("no extension", {"news": _CSV}, listed=False),
    Readable("no extension: JSON Lines", {"news": json_lines()}, listed=False),
    Readable(
        "a format that can't be told by name or content",
        {"news.dat": b"title\nApple\n"},
        "csv:news.dat",
        texts=["Apple"],
    ),
    Readable("a byte-order mark", {"news.csv": b"\xef\xbb\xbf" + _CSV}, listed=False),
    *(
        Readable(f"{name} with its byte-order mark", {"news.csv": _CSV.decode().encode(name)}, listed=name == "utf-16")
        for name in ("utf-16", "utf-32")
    ),
    *(
        Readable(
            f"big-endian {name}", {"news.jsonl": f"\ufeff{json_lines().decode()}".encode(f"{name}-be")}, listed=False
        )
        for name in ("utf-16", "utf-32")
    ),
    *(
        Readable(
            f"another encoding: {name}",
            {"news.csv": csv_text(texts).encode(name)},
            flags={"encoding": name},
            texts=texts,
            listed=name == "cp1252",
        )
        for name, texts in {
            "cp1252": _PREDICTIONS,
            "latin-1": _PREDICTIONS,
            "mac-roman": _PREDICTIONS,
            "cp1251": ["Газпром повышает прогноз"],
            "koi8-r": ["Газпром повышает прогноз"],
            "shift-jis": ["トヨタ自動車は業績予想を上方修正した"],
            "gb18030": ["贵州茅台上调全年业绩预期"],
            "utf-16-le": TEXTS,
            "utf-32-be": TEXTS,
        }.items()
    ),
    Readable(
        "all files of a folder",
        {f"news/{i}.csv": csv_text([text]).encode() for i, text in enumerate(PLAIN)},
        "news",
        texts=PLAIN,
    ),
    Readable(
        "a pattern",
        {f"{name}.jsonl": json_lines([text]) for name, text in zip(("a10", "a9", "b"), ("2", "1", "3"), strict=True)},
        "a*.jsonl",
        texts=["1", "2"],
    ),
    Readable(
        "shards",
        {f"train-{i:05d}-of-00003.parquet": content for i, content in enumerate(_SHARDS)},
        "train-*.parquet",
        texts=PLAIN,
    ),
    Readable(
        "a folder with shards and other things",
        {
            **{f"data/train-{i:05d}-of-00003.parquet": content for i, content in enumerate(_SHARDS)},
            "data/README.md": b"# about",
            "data/.hidden.csv": b"x",
            "data/_SUCCESS": b"",
            "data/dataset_infos.json": b"{}",
        },
        "data",
        texts=PLAIN,
        listed=False,
    ),
    Readable("numbers in CSV", {"n.csv": b"title\n1.50\n2\n"}, texts=["1.50", "2"], listed=False),
    Readable("numbers in JSON", {"n.jsonl": b'{"title": 1.50}\n{"title": 2}\n'}, texts=["1.50", "2"], listed=False),
    Readable("numbers in Parquet", {"n.parquet": parquet({"title": [1.5, 2.25]})}, texts=["1.5", "2.25"], listed=False),
    Readable("whole numbers in Parquet", {"n.parquet": parquet({"title": [1, 2]})}, texts=["1", "2"], listed=False),
]


_ELSEWHERE = (  # tested with servers that answer as the real ones do
    ("a dataset of the Hugging Face hub", "hf:owner/name"),
    ("one of its splits, of a config, at a revision", "hf:owner/name@revision/config/test"),
    ("a file of a Kaggle dataset", "kaggle:owner/name/news.csv"),
    ("a certain version of it", "kaggle:owner/name/versions/3/news.csv"),
    ("standard input", "jsonl:-"),
)


def written(files: Files, folder: Path) -> None:
    """Write the files into a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content())


def table() -> str:
    """The README's table of what can be read."""
    rows = [f"| {entry.what} | `{entry.command}` |" for entry in READABLE if entry.listed]
    rows += [f"| {what} | `--source {source}` |" for what, source in _ELSEWHERE]
    return "\n".join(["| What you have | How it is given |", "|---|---|", *rows])
