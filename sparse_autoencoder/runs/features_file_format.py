"""The format of features/*.parquet, and writing one file.

A file has 1,024 features. A row group has 16 features, or fewer if their examples are long, so that reading a feature
is one small read for all options. Token strings are in the files for other readers (saescope reads vocabulary.json).
"""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq

from sparse_autoencoder.runs.format_version import marked
from sparse_autoencoder.utils.numpy_array_ops import Ints

FEATURES_PER_FILE = 1024


def _list(entry: pa.DataType) -> pa.ListType:
    return pa.list_(pa.field("element", entry, nullable=False))  # nullable values are slower to write and to read


_EXAMPLE_FIELDS = {
    "activation": pa.float32(),  # at `position`
    "row_id": pa.int64(),
    "prompt_index": pa.int64(),  # the row's line in prompts.jsonl
    "window_offset": pa.int32(),  # the window's first token in the row (BOS not counted)
    "position": pa.int32(),  # in `tokens`
    "text_count": pa.int64(),  # how many windows of the dataset have the same tokens
    "token_ids": _list(pa.int32()),
    "tokens": _list(pa.string()),
    "activations": _list(pa.float32()),  # one per token
}
EXAMPLE = pa.struct([pa.field(name, entry, nullable=False) for name, entry in _EXAMPLE_FIELDS.items()])
EXAMPLES = _list(EXAMPLE)
EXAMPLE_LISTS = ("top", "random")
BAND_LIST = "bands"  # the column of the bands of strength in which the feature fired, the weakest first
_BAND_FIELDS = {
    "above": pa.float64(),  # the band's activations are larger than this,
    "up_to": pa.float64(),  # and at most this; infinity in the last band
    "count": pa.int64(),  # activations in the band
    "examples": EXAMPLES,
}
BAND = pa.struct([pa.field(name, entry, nullable=False) for name, entry in _BAND_FIELDS.items()])
BAND_LISTS = _list(BAND)
_BAND_EXAMPLES = f"{BAND_LIST}.list.element.examples"
EXAMPLE_PATHS = (*EXAMPLE_LISTS, _BAND_EXAMPLES)  # where examples are in the file
# a row group of the other columns is a few random digits, which compression makes longer
_COMPRESSED = [
    *(f"histogram.list.element.{name}" for name in ("bin", "count")),
    *(f"{BAND_LIST}.list.element.{name}" for name in ("above", "up_to", "count")),
    *(
        f"{examples}.list.element.{field.name}{'.list.element' if pa.types.is_list(field.type) else ''}"
        for examples in EXAMPLE_PATHS
        for field in EXAMPLE
    ),
]
_FEATURES_PER_ROW_GROUP = 16
_ROW_GROUP_TOKENS = 1 << 16  # most tokens of examples in a row group, unless one feature has more
_TABLE_TOKENS = 1 << 20  # most tokens of examples in memory at once, for each file that is being written


def to_parquet(table_of: Callable[[int, int], pa.Table], begin: int, num_tokens: Ints) -> bytes:
    """The bytes of a file with the features from `begin` on; `num_tokens` [features] are the tokens of their examples.

    `table_of(first, end)` makes the table of the features `first` to `end` (exclusive).
    """
    end, most = begin + len(num_tokens), max(1, int(num_tokens.max()))
    per_group = min(_FEATURES_PER_ROW_GROUP, max(1, _ROW_GROUP_TOKENS // most))
    per_table = max(1, _TABLE_TOKENS // (most * per_group)) * per_group
    sink = pa.BufferOutputStream()  # unlike a Python object, it is written without the GIL
    with pq.ParquetWriter(
        sink,
        marked(table_of(begin, begin).schema),
        compression=dict.fromkeys(_COMPRESSED, "zstd"),
        # in row groups this small, dictionaries and statistics cost more time than they save
        use_dictionary=False,
        write_statistics=["feature_id"],
    ) as writer:
        for first in range(begin, end, per_table):
            writer.write_table(table_of(first, min(first + per_table, end)), per_group)
    data: bytes = sink.getvalue().to_pybytes()
    return data
