"""However much a small file claims to hold, reading it takes little memory, as a process of its own says."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.readable_inputs import arrow_compressed, zipped

MOST_BYTES = 1 << 29
MUCH = 1 << 28
TEXT = "a" * (16 << 20)
READ = """
import sys
from itertools import islice
from sparse_autoencoder.data.source import open_source
from sparse_autoencoder.errors import SaescopeError
try:
    with open_source(sys.argv[1]) as source:
        for record in islice(source, 2000):
            pass
except SaescopeError as error:
    print(error)
# not ru_maxrss, which a process has from the one that started it
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


def parquet(column: pa.Array, **settings: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"title": column}), sink, compression="brotli", **settings)
    return sink.getvalue()


def one_text_in_every_row() -> bytes:
    indices = pa.array([0] * 1000, pa.int32())
    return parquet(pa.DictionaryArray.from_arrays(indices, pa.array([TEXT])))


def the_same_without_a_dictionary() -> bytes:
    return parquet(pa.array([TEXT] * 30), use_dictionary=False, data_page_size=1 << 20)


def a_page_of_many_nulls() -> bytes:
    return parquet(pa.nulls(30_000_000, pa.string()), data_page_size=1 << 30)


def long_line(compress: Callable[[bytes], bytes]) -> bytes:
    return compress(b"title\n" + b"a" * MUCH)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.parquet", one_text_in_every_row),
        ("a.parquet", the_same_without_a_dictionary),
        ("a.parquet", a_page_of_many_nulls),
        ("a.csv.gz", lambda: long_line(lambda content: gzip.compress(content, 1))),
        ("a.txt.xz", lambda: long_line(lambda content: lzma.compress(content, preset=0))),
        ("a.jsonl.zst", lambda: long_line(lambda content: arrow_compressed(content, "zstd"))),
        ("a.zip", lambda: zipped({"a.csv": b"title\n" + b"a" * MUCH})),
        ("a.json", lambda: json.dumps([{"title": "x"}, {"title": "a" * MUCH}]).encode()),
        ("a.json.gz", lambda: gzip.compress(b"[" + b'{"a":[' * (1 << 22), 1)),
    ],
    ids=["dictionary", "plain", "nulls", "gzip", "xz", "zstd", "zip", "JSON string", "JSON depth"],
)
def test_a_small_file_takes_little_memory(tmp_path: Path, name: str, make: Callable[[], bytes]) -> None:
    path = tmp_path / name
    path.write_bytes(make())
    done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) << 10 < MOST_BYTES
