"""The format of a chunk's rows, one Parquet file: text, tokens, strongest features; for skipped rows the reason.

Each chunk has a file, named by its number. So a row is found without an index, and encoding a chunk twice changes
nothing. Chunks that still wait to be encoded have the same format, without features and under a seal.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sparse_autoencoder.data.row_sets import RowSets
from sparse_autoencoder.data.row_skip_rules import SkippedRow
from sparse_autoencoder.errors import DamagedError
from sparse_autoencoder.runs.checksums import seal, understood, unseal
from sparse_autoencoder.runs.format_version import check_schema, marked
from sparse_autoencoder.summaries.example_order import descending_key
from sparse_autoencoder.summaries.summariser_interface import RowFeatures
from sparse_autoencoder.tokens.chunks import Chunk
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.windows import Windows, windows_of
from sparse_autoencoder.utils.numpy_array_ops import Ints, bits_for, first_distinct, stable_argsort, starts_of

ROW_FEATURES = pa.list_(
    pa.struct(
        [
            pa.field("feature_id", pa.int32()),
            pa.field("activation", pa.float32()),
            pa.field("token", pa.int32()),  # index into the row's tokens; -1 for a counted BOS
        ]
    )
)
SCHEMA = pa.schema(
    [
        pa.field("row_id", pa.int64()),
        pa.field("text", pa.string()),  # null for a skipped row
        pa.field("skipped", pa.string()),  # the reason, for a skipped row
        pa.field("tokens", pa.list_(pa.int32())),  # without BOS
        pa.field("features", ROW_FEATURES),  # distinct, strongest first
    ]
)
FEATURES_PER_ROW = 10  # at most
COLUMNS = "columns"  # of a run that keeps some: a struct with the dataset's own columns, after those in SCHEMA
_SETS = ("sets", "earlier")  # of a chunk that waits: see data/row_sets.py
_NOTE = b"saescope"  # schema metadata key in the file of a chunk that waits to be encoded


@dataclass(frozen=True)
class RowTokens:
    """Rows' tokens, flat: row r has `tokens[starts[r]:starts[r + 1]]`, without BOS."""

    row_ids: Ints  # [rows]
    tokens: NDArray[np.int32]  # [row tokens]
    starts: Ints  # [rows + 1]

    @classmethod
    def of(cls, table: pa.Table) -> RowTokens:
        """The tokens in a table with the columns row_id and tokens; skipped rows have none."""
        tokens = table["tokens"].combine_chunks()
        starts = starts_of(tokens.value_lengths().to_numpy())
        return cls(table["row_id"].to_numpy(), tokens.flatten().to_numpy(), starts)

    def find(self, row_id: int) -> int | None:
        """The index of the row with this id, or None. The ids must ascend."""
        row = int(np.searchsorted(self.row_ids, row_id))
        return row if row < len(self.row_ids) and self.row_ids[row] == row_id else None

    def row(self, row: int) -> NDArray[np.int32]:
        """The tokens of the row with index `row`."""
        return self.tokens[self.starts[row] : self.starts[row + 1]]

    def windows(self, policy: TokenPolicy) -> Windows:
        """The rows' windows, the same as when they were encoded."""
        return windows_of(self.row_ids, self.tokens, self.starts, policy)


@dataclass(frozen=True)
class Rows:
    """The usable rows of a prompts file."""

    row_ids: Ints  # [rows]
    texts: list[str]  # [rows]
    windows: Windows
    skipped: list[tuple[int, str]]  # row id and reason of each skipped row

    def window_counts(self) -> Ints:
        """Windows per row [rows]."""
        first = np.searchsorted(self.windows.row_ids, self.row_ids)
        return np.diff(first, append=len(self.windows))


def has_rows_schema(schema: pa.Schema) -> bool:
    """Whether a file has the columns of a prompts file: those in SCHEMA, and maybe those that are kept."""
    names = schema.names
    own = schema.remove(names.index(COLUMNS)) if names[-1:] == [COLUMNS] else schema
    return bool(own.equals(SCHEMA))


def to_parquet(chunk: Chunk, parts: Sequence[RowFeatures], policy: TokenPolicy, per_row: int) -> bytes:
    """The bytes of an encoded chunk's prompts file."""
    features = _row_features(chunk, parts, policy, per_row, len(chunk.skipped))
    table = pa.table([*_rows(chunk), features], schema=SCHEMA)
    return _parquet(_with_columns(table, chunk))


def chunk_to_parquet(chunk: Chunk, tokens: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a chunk that waits to be encoded: a prompts file without features, under a seal.

    It also records the rows' hash, the notes on them, their sets, and what the tokens depend on
    (`provenance.tokens_made_of`).
    """
    row_sets = chunk.row_sets
    note = json.dumps(
        {
            "rows_hash": chunk.rows_hash,
            "tokens": dict(tokens or {}),
            "notes": dict(chunk.notes),
            "sets_per_row": 0 if row_sets is None else len(row_sets.sets),
            "groups": {} if row_sets is None else {str(one): name for one, name in row_sets.names.items()},
        }
    )
    schema = SCHEMA.remove(SCHEMA.get_field_index("features"))
    table = pa.table(_rows(chunk), schema=schema.with_metadata({**(schema.metadata or {}), _NOTE: note}))
    for name in _SETS if row_sets is not None else ():
        of_rows = pa.array(getattr(row_sets, name).T.tolist(), pa.list_(pa.int64()))
        table = table.append_column(name, _with_skipped(of_rows, chunk))
    return seal(_kind(chunk.index), _parquet(_with_columns(table, chunk)))


def chunk_tokens(data: bytes, index: int) -> dict[str, str]:
    """What the tokens depend on, as `chunk_to_parquet` recorded it; DamagedError for other bytes."""
    with _rows_of(data, index) as content:
        tokens: dict[str, str] = _note(content)["tokens"]
        return tokens


def chunk_from_parquet(data: bytes, index: int) -> Chunk:
    """The inverse of `chunk_to_parquet`, for the chunk with this number; DamagedError for other bytes."""
    with _rows_of(data, index) as content:
        return _chunk(content, index)


def read_rows(data: bytes, policy: TokenPolicy) -> Rows:
    """The rows of a prompts file, with their windows."""
    usable, unusable = _split(data)
    rows = RowTokens.of(usable)
    return Rows(
        rows.row_ids,
        usable["text"].to_pylist(),
        rows.windows(policy),
        list(zip(unusable["row_id"].to_pylist(), unusable["skipped"].to_pylist(), strict=True)),
    )


def json_rows(rows: Rows) -> Iterator[dict[str, int | str]]:
    """The rows as in prompts.jsonl: row_id, seq_len (tokens that the model saw, with BOS), prompt."""
    lengths = rows.windows.lengths
    ends = np.cumsum(rows.window_counts())
    totals = starts_of(lengths)
    seq_lens = np.diff(totals[np.concatenate([np.zeros(1, np.int64), ends])])
    for row_id, seq_len, text in zip(rows.row_ids.tolist(), seq_lens.tolist(), rows.texts, strict=True):
        yield {"row_id": row_id, "seq_len": seq_len, "prompt": text}


def _note(data: bytes) -> dict[str, Any]:
    note: dict[str, Any] = json.loads(pq.read_schema(io.BytesIO(data)).metadata[_NOTE])
    return note


@contextmanager
def _rows_of(data: bytes, index: int) -> Iterator[bytes]:
    """The Parquet file in a sealed chunk; errors in the block become DamagedErrors that name the chunk."""
    try:
        content = unseal(_kind(index), data)
        with understood(_kind(index)):
            yield content
    except DamagedError as error:
        raise type(error)(f"the rows of chunk {index} can't be read: {error}") from error


def _kind(chunk: int) -> str:
    """The seal's kind for a chunk; it has the number, so that another chunk's rows are noticed."""
    return f"chunk-{chunk:06d}"


def _chunk(data: bytes, index: int) -> Chunk:
    usable, unusable = _split(data)
    rows = RowTokens.of(usable)
    skipped = zip(unusable["row_id"].to_pylist(), unusable["skipped"].to_pylist(), strict=True)
    note = _note(data)
    return Chunk(
        index=index,
        row_ids=rows.row_ids,
        texts=usable["text"].to_pylist(),
        tokens=rows.tokens,
        starts=rows.starts,
        skipped=[SkippedRow(row_id, reason) for row_id, reason in skipped],
        rows_hash=note["rows_hash"],
        notes=note["notes"],
        row_sets=_row_sets(usable, note),
        columns=_columns_of(usable),
    )


def _row_sets(usable: pa.Table, note: Mapping[str, Any]) -> RowSets | None:
    if not note["sets_per_row"]:
        return None
    sets, earlier = (np.array(usable[name].to_pylist(), np.int64).reshape(-1, note["sets_per_row"]).T for name in _SETS)
    return RowSets(sets, earlier, {int(one): name for one, name in note["groups"].items()})


def _columns_of(table: pa.Table) -> dict[str, list[str | None]]:
    if COLUMNS not in table.column_names:
        return {}
    column = table[COLUMNS].combine_chunks()
    return {field.name: column.field(i).to_pylist() for i, field in enumerate(column.type)}


def _with_columns(table: pa.Table, chunk: Chunk) -> pa.Table:
    """The table of usable rows, then skipped ones, with the columns that are kept, if there are any."""
    if not chunk.columns:
        return table
    kept = {name: pa.array(values, pa.string()) for name, values in chunk.columns.items()}
    structs = pa.StructArray.from_arrays(list(kept.values()), names=list(kept))
    return table.append_column(COLUMNS, _with_skipped(structs, chunk))


def _with_skipped(of_rows: pa.Array, chunk: Chunk) -> pa.Array:
    """A column of usable rows, followed by nulls for the skipped ones."""
    return pa.concat_arrays([of_rows, pa.nulls(len(chunk.skipped), of_rows.type)])


def _rows(chunk: Chunk) -> list[pa.Array]:
    """The columns row_id, text, skipped and tokens: usable rows, then skipped ones."""
    n_rows, n_skipped = len(chunk.row_ids), len(chunk.skipped)
    skipped_ids = np.array([row.row_id for row in chunk.skipped], np.int64)
    reasons = pa.array([row.reason for row in chunk.skipped], pa.string())
    return [
        pa.array(np.concatenate([chunk.row_ids, skipped_ids])),
        _with_skipped(pa.array(chunk.texts, pa.string()), chunk),
        pa.concat_arrays([pa.nulls(n_rows).cast(pa.string()), reasons]),
        pa.ListArray.from_arrays(_offsets(np.diff(chunk.starts), n_skipped), pa.array(chunk.tokens)),
    ]


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    table = table.sort_by("row_id").cast(marked(table.schema))
    pq.write_table(table, sink, row_group_size=1024, compression="zstd")
    return sink.getvalue()


def _split(data: bytes) -> tuple[pa.Table, pa.Table]:
    """Usable and skipped rows."""
    # not read_table, which imports pyarrow.dataset and pandas
    file = pq.ParquetFile(io.BytesIO(data))
    check_schema("a prompts file", file.schema_arrow.metadata)
    table = file.read(columns=["row_id", "text", "skipped", "tokens", *_SETS, COLUMNS])
    return table.filter(table["skipped"].is_null()), table.filter(table["skipped"].is_valid())


def _row_features(
    chunk: Chunk, parts: Sequence[RowFeatures], policy: TokenPolicy, per_row: int, n_skipped: int
) -> pa.ListArray:
    """Each row's strongest features: [rows + skipped] lists. A row may be in several `parts`."""
    row = np.searchsorted(chunk.row_ids, _join([part.row_id for part in parts], np.int64))
    feature = _join([part.feature for part in parts], np.int32)
    value = _join([part.value for part in parts], np.float32)
    window = _join([part.window for part in parts], np.int32)
    position = _join([part.position for part in parts], np.int32)
    order = stable_argsort((row, bits_for(len(chunk.row_ids))), (descending_key(value), 31), (feature, 31))
    order = order[first_distinct(row[order], feature[order].astype(np.uint64), per_row)]
    bos = int(policy.prepends_bos)
    token = np.where(position[order] < bos, -1, policy.window_offsets(window[order]) + position[order] - bos)
    entries = pa.StructArray.from_arrays(
        [pa.array(feature[order]), pa.array(value[order]), pa.array(token.astype(np.int32))],
        fields=list(ROW_FEATURES.value_type),
    )
    counts = np.bincount(row[order], minlength=len(chunk.row_ids))
    return pa.ListArray.from_arrays(_offsets(counts, n_skipped), entries).cast(ROW_FEATURES)


def _join(parts: Sequence[NDArray[Any]], dtype: type) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype), *parts])


def _offsets(lengths: Ints, n_skipped: int) -> pa.Array:
    """Offsets of lists of these lengths, followed by an empty list for each skipped row."""
    return pa.array(np.concatenate([[0], np.cumsum(lengths), np.full(n_skipped, lengths.sum())]).astype(np.int32))
