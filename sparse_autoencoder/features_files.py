"""features/*.parquet: how features are laid out in a run's files, and one feature read from them.

A file holds 1,024 features, a row group 16 of them, or fewer where their examples are long: reading a feature reads a
row group, so that stays small whatever a run's options are. Token strings are in the files for other readers; here the
run's vocabulary has them. This file knows neither summaries nor HTTP.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sparse_autoencoder.arrays import Ints
from sparse_autoencoder.formats import check_schema, marked
from sparse_autoencoder.recent import Recent
from sparse_autoencoder.run_view import readable
from sparse_autoencoder.runs import RunFolder
from sparse_autoencoder.store import StoreFile
from sparse_autoencoder.vocabulary import Vocabulary

FEATURES_PER_FILE = 1024


def _list(entry: pa.DataType) -> pa.ListType:
    return pa.list_(pa.field("element", entry, nullable=False))  # what may be null takes longer to write and to read


_EXAMPLE_FIELDS = {
    "activation": pa.float32(),  # at `position`
    "row_id": pa.int64(),
    "prompt_index": pa.int64(),  # the row's line in prompts.jsonl
    "window_offset": pa.int32(),  # the window's first own token in the row
    "position": pa.int32(),  # in `tokens`
    "text_count": pa.int64(),  # windows with the same tokens in the dataset
    "token_ids": _list(pa.int32()),
    "tokens": _list(pa.string()),
    "activations": _list(pa.float32()),  # one per token
}
EXAMPLE = pa.struct([pa.field(name, entry, nullable=False) for name, entry in _EXAMPLE_FIELDS.items()])
EXAMPLES = _list(EXAMPLE)
_LISTS = ("top", "random")
# the other columns are a few random digits a row group, which compressing makes longer
_COMPRESSED = [
    *(f"histogram.list.element.{name}" for name in ("bin", "count")),
    *(
        f"{examples}.list.element.{field.name}{'.list.element' if pa.types.is_list(field.type) else ''}"
        for examples in _LISTS
        for field in EXAMPLE
    ),
]
_READ = [
    "histogram",
    *(f"{examples}.list.element.{name}" for examples in _LISTS for name in EXAMPLE.names if name != "tokens"),
]
_FEATURES_PER_ROW_GROUP = 16
_ROW_GROUP_TOKENS = 1 << 16  # of the examples in a row group, unless one feature alone has more
_TABLE_TOKENS = 1 << 20  # of the examples that are in memory at once, for each file that is being written
_READ_BYTES = 1 << 17  # of the store at once, if it is less: a row group has about 100 kB
_OPEN_FILES = 64  # of 2 MB, most of which says where columns begin


def to_parquet(table_of: Callable[[int, int], pa.Table], begin: int, num_tokens: Ints) -> bytes:
    """The bytes of a file with the features from `begin` on, whose examples have so many tokens [features].

    `table_of` gives those from a first feature to before another.
    """
    end, most = begin + len(num_tokens), max(1, int(num_tokens.max()))
    per_group = min(_FEATURES_PER_ROW_GROUP, max(1, _ROW_GROUP_TOKENS // most))
    per_table = max(1, _TABLE_TOKENS // (most * per_group)) * per_group
    sink = pa.BufferOutputStream()  # unlike a Python object it lets other threads run
    with pq.ParquetWriter(
        sink,
        marked(table_of(begin, begin).schema),
        compression=dict.fromkeys(_COMPRESSED, "zstd"),
        # in so small row groups dictionaries and statistics take longer than what they spare
        use_dictionary=False,
        write_statistics=["feature_id"],
    ) as writer:
        for first in range(begin, end, per_table):
            writer.write_table(table_of(first, min(first + per_table, end)), per_group)
    data: bytes = sink.getvalue().to_pybytes()
    return data


class FeaturesFiles:
    """The features files of a finished run, for several threads.

    Every call raises SaescopeError if a file that it needs is missing or damaged.
    """

    def __init__(self, folder: RunFolder, vocabulary: Vocabulary) -> None:
        self._folder = folder
        self._vocabulary = vocabulary
        self._lock = threading.Lock()  # two threads that read one ParquetFile at once crash the process
        self._files: Recent[int, pq.ParquetFile] = Recent(_OPEN_FILES)

    def record(self, feature_id: int) -> dict[str, Any]:
        """A feature's histogram, top and random examples."""
        number, place = divmod(feature_id, FEATURES_PER_FILE)
        with readable(self._folder, self._folder.features(number)):
            with self._lock:
                file = self._file(number)
                group, index = divmod(place, file.metadata.row_group(0).num_rows)
                # threads would cost more than they save
                table = file.read_row_group(group, columns=_READ, use_threads=False)
            record: dict[str, Any] = table.slice(index, 1).to_pylist()[0]
            shown = [example for examples in _LISTS for example in record[examples]]
            token_ids = [token_id for example in shown for token_id in example["token_ids"]]
            strings = iter(self._vocabulary.strings(token_ids))
            for example in shown:
                example["tokens"] = list(islice(strings, len(example["token_ids"])))
        return record

    def _file(self, number: int) -> pq.ParquetFile:
        kept = self._files.get(number)
        if kept is None:
            key = self._folder.features(number)
            stored = StoreFile(self._folder.store, key)
            # a row group's columns are side by side: one read of the store gives them all
            file = pq.ParquetFile(io.BufferedReader(stored, _READ_BYTES), pre_buffer=False)
            check_schema(key, file.schema_arrow.metadata)
            kept = self._files.keep(number, file)
        return kept
