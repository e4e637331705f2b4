"""Rows -> chunks of token ids. A chunk is the unit of work, of retry and of merging."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.data.kept_columns import NO_COLUMNS, KeptColumns
from sparse_autoencoder.data.row_sets import RowSets, RowSetsOfSource
from sparse_autoencoder.data.row_skip_rules import Record, Row, SkippedRow
from sparse_autoencoder.data.rows_hash import NOTHING_READ, RunningHash, hash_of_records
from sparse_autoencoder.data.text_repeats import text_hashes
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.tokens.row_notes import notes_on
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.tokenizer import RowTokenizer
from sparse_autoencoder.utils.failure_rule import Failure, attempt
from sparse_autoencoder.utils.numpy_array_ops import starts_of

CHUNK_CHARS = 1 << 24  # a chunk ends at this many characters, even if it has fewer than chunk_size rows
_ANY_TEXT = "a"  # every working tokenizer can encode this
_REASON_CHARS = 200


@dataclass(frozen=True)
class Chunk:
    """`chunk_size` tokenised records of the source: the unit of work and of retry."""

    index: int
    row_ids: NDArray[np.int64]  # [rows], usable rows only
    texts: list[str]  # [rows]
    tokens: NDArray[np.int32]  # [row tokens], no BOS
    starts: NDArray[np.int64]  # [rows + 1], where each row's tokens begin in `tokens`
    skipped: list[SkippedRow]
    rows_hash: str = NOTHING_READ  # hash of the records as they were read (rows_hash.py)
    notes: Mapping[str, int] = field(default_factory=dict)  # what was noticed in how many of the rows (row_notes.py)
    row_sets: RowSets | None = None  # of the rows; None: no two rows have the same text
    columns: Mapping[str, Sequence[str | None]] = field(default_factory=dict)  # kept ones, [rows] each

    @property
    def n_records(self) -> int:
        """Records read from the source, skipped ones included."""
        return len(self.row_ids) + len(self.skipped)


def read_chunks(
    records: Iterable[Record],
    tokenizer: RowTokenizer,
    chunk_size: int,
    policy: TokenPolicy,
    first_chunk: int = 0,
    running: RunningHash | None = None,
    kept: KeptColumns = NO_COLUMNS,
) -> Iterator[Chunk]:
    """Group records into chunks and tokenise them; chunks before `first_chunk` are read, but not tokenised.

    A chunk has `chunk_size` records, or fewer if their texts are long (CHUNK_CHARS), which bounds memory. `running`
    gets each chunk's hash before the chunk is yielded, also those of the chunks before `first_chunk`. It may raise.
    `kept` are the columns that the records have.
    """
    running = running or RunningHash()
    row_sets = RowSetsOfSource()
    for index, batch in enumerate(_batches(records, chunk_size)):
        rows = [record for record in batch if isinstance(record, Row)]
        groups = None if kept.group_by is None else [row.columns[kept.group_by] for row in rows]
        sets = row_sets.next(text_hashes(row.text for row in rows), groups)
        if index < first_chunk:
            running.add(hash_of_records(batch))
            continue
        chunk = tokenise(index, batch, tokenizer, policy, sets, kept.names)
        running.add(chunk.rows_hash)
        yield chunk
    running.end()


def tokenise(
    index: int,
    records: Sequence[Record],
    tokenizer: RowTokenizer,
    policy: TokenPolicy,
    row_sets: RowSets | None = None,
    columns: Sequence[str] = (),
) -> Chunk:
    """Tokenise one chunk's records; a row keeps only the tokens that the policy puts into windows.

    `row_sets` are those of the records that are rows; without them, no two have the same text. `columns` are the names
    of the columns that the rows have kept.

    A row is skipped, with the reason, if the tokenizer fails on it or gives a token that the model doesn't have.
    Raises SaescopeError if the tokenizer fails on any text.
    """
    rows: list[Row] = []
    usable: list[int] = []  # indices of the usable rows
    ids: list[NDArray[np.int32]] = []
    skipped = [record for record in records if isinstance(record, SkippedRow)]
    texts = [record for record in records if isinstance(record, Row)]
    for i, (row, encoded) in enumerate(zip(texts, _encoded([row.text for row in texts], tokenizer), strict=True)):
        kept = encoded if isinstance(encoded, str) else _known(encoded[: policy.keep(len(encoded))], tokenizer)
        if isinstance(kept, str):
            skipped.append(SkippedRow(row.row_id, kept))
        else:
            rows.append(row)
            usable.append(i)
            ids.append(kept)
    return Chunk(
        index=index,
        row_ids=np.fromiter((row.row_id for row in rows), np.int64, len(rows)),
        texts=[row.text for row in rows],
        tokens=np.concatenate([np.zeros(0, np.int32), *ids]),
        starts=starts_of(np.fromiter(map(len, ids), np.int64, len(ids))),
        skipped=sorted(skipped, key=lambda row: row.row_id),
        rows_hash=hash_of_records(records),
        notes=notes_on([row.text for row in rows], list(map(len, ids)), tokenizer.special_names),
        row_sets=None if row_sets is None else row_sets.of(usable),
        columns={name: [row.columns[i] for row in rows] for i, name in enumerate(columns)},
    )


def _encoded(texts: Sequence[str], tokenizer: RowTokenizer) -> Sequence[NDArray[np.int32] | str]:
    """Token ids of each text, or the reason why the tokenizer fails on it."""
    together = attempt(lambda: tokenizer.encode(texts))
    if not isinstance(together, Failure):
        return together
    at_all = attempt(lambda: tokenizer.encode([_ANY_TEXT]))
    if isinstance(at_all, Failure):
        raise SaescopeError(
            f"the language model's tokenizer fails whatever the text ({at_all.reason}): check its tokenizer.json"
        )
    return [_encoded_alone(text, tokenizer) for text in texts]


def _encoded_alone(text: str, tokenizer: RowTokenizer) -> NDArray[np.int32] | str:
    encoded = attempt(lambda: tokenizer.encode([text])[0])
    return f"the tokenizer fails on it ({encoded.reason})"[:_REASON_CHARS] if isinstance(encoded, Failure) else encoded


def _known(ids: NDArray[np.int32], tokenizer: RowTokenizer) -> NDArray[np.int32] | str:
    """The token ids if the model has them all, else the reason to skip their row."""
    size = tokenizer.vocab_size
    if size is None or not len(ids) or (ids.min() >= 0 and ids.max() < size):
        return ids
    return f"a token beyond the model's vocabulary of {size:,}"


def _batches(records: Iterable[Record], chunk_size: int) -> Iterator[list[Record]]:
    batch: list[Record] = []
    chars = 0
    for record in records:
        batch.append(record)
        chars += _chars(record) if isinstance(record, Row) else 0
        if len(batch) == chunk_size or chars >= CHUNK_CHARS:
            yield batch
            batch, chars = [], 0
    if batch:
        yield batch


def _chars(row: Row) -> int:
    return len(row.text) + sum(len(value) for value in row.columns if value is not None)
