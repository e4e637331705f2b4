"""Rows -> tokens -> windows, by an explicit token policy.

A window is what the subject model sees at once: at most `max_tokens` tokens, the BOS token counted. Windows are held
flat, as arrays over all tokens. This file knows nothing of models; it needs a tokenizer and numpy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.failures import Failure, attempt, is_failure
from sparse_autoencoder.rows import Record, Row, SkippedRow
from sparse_autoencoder.rows_hash import NOTHING_READ, RunningHash, hash_of_records

Bos = Literal["exclude", "include", "none"]
LongRows = Literal["split", "truncate"]

CHUNK_CHARS = 1 << 24  # a chunk of long rows ends here, before it has chunk_size rows
_ANY_TEXT = "a"  # on which a tokenizer that works at all works
_REASON_CHARS = 200


@dataclass(frozen=True)
class TokenPolicy:
    """How rows become windows, and which positions count.

    bos: `exclude` prepends BOS and leaves its position out of statistics and examples, `include` prepends and counts
    it, `none` prepends nothing. long_rows: what doesn't fit in one window goes into further ones, or is dropped.
    """

    bos_token_id: int | None  # None if the model has none; then bos must be `none`
    max_tokens: int = 64
    bos: Bos = "exclude"
    long_rows: LongRows = "split"

    def __post_init__(self) -> None:
        if self.prepends_bos and self.bos_token_id is None:
            raise SaescopeError("the subject model has no BOS token that could be prepended: use --bos none")
        if self.row_tokens_per_window < 1:
            raise SaescopeError(
                f"--max-tokens {self.max_tokens} leaves no room for a token"
                f"{'' if self.bos == 'none' else ' after BOS'}: use a larger value"
            )

    @property
    def prepends_bos(self) -> bool:
        """Whether each window begins with BOS."""
        return self.bos != "none"

    @property
    def row_tokens_per_window(self) -> int:
        """How many of a row's own tokens fit in a window."""
        return self.max_tokens - int(self.prepends_bos)

    @property
    def first_counted(self) -> int:
        """The first position of a window that counts in statistics and examples."""
        return int(self.bos == "exclude")

    def keep(self, n_tokens: int) -> int:
        """How many of a row's `n_tokens` tokens end up in windows."""
        return n_tokens if self.long_rows == "split" else min(n_tokens, self.row_tokens_per_window)


@dataclass(frozen=True)
class Chunk:
    """`chunk_size` records of the source, tokenised: the unit of work and of retry."""

    index: int
    row_ids: NDArray[np.int64]  # [rows], usable rows only
    texts: list[str]  # [rows]
    tokens: NDArray[np.int32]  # [row tokens], no BOS
    starts: NDArray[np.int64]  # [rows + 1], where each row's tokens begin in `tokens`
    skipped: list[SkippedRow]
    rows_hash: str = NOTHING_READ  # of the records as they were read (see rows_hash.py)

    @property
    def n_records(self) -> int:
        """Records read from the source, skipped ones included."""
        return len(self.row_ids) + len(self.skipped)

    def row_tokens(self, row: int) -> NDArray[np.int32]:
        """The token ids of the chunk's row number `row`."""
        return self.tokens[self.starts[row] : self.starts[row + 1]]


@dataclass(frozen=True)
class Windows:
    """Consecutive windows, flat: window w holds `tokens[starts[w]:starts[w + 1]]`, BOS included if prepended."""

    row_ids: NDArray[np.int64]  # [windows]
    numbers: NDArray[np.int32]  # [windows], 0 for a row's first window
    tokens: NDArray[np.int32]  # [tokens]
    starts: NDArray[np.int64]  # [windows + 1]
    texts: NDArray[np.uint64]  # [windows], a hash of the token ids: equal for windows with the same tokens

    def __len__(self) -> int:
        return len(self.row_ids)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens per window."""
        return np.diff(self.starts)

    def blocks(self, max_tokens: int) -> Iterator[Windows]:
        """Cut into runs of windows of at most `max_tokens` tokens (at least one window each), in order."""
        first = 0
        while first < len(self):
            block = self.block(first, max_tokens)
            yield block
            first += len(block)

    def block(self, first: int, max_tokens: int) -> Windows:
        """The windows from `first` on that have at most `max_tokens` tokens together; at least one."""
        last = int(np.searchsorted(self.starts, self.starts[first] + max_tokens, side="right")) - 1
        return self.run(first, max(last, first + 1))

    def run(self, first: int, last: int) -> Windows:
        """The windows from `first` to before `last`."""
        begin, end = self.starts[first], self.starts[last]
        return Windows(
            self.row_ids[first:last],
            self.numbers[first:last],
            self.tokens[begin:end],
            self.starts[first : last + 1] - begin,
            self.texts[first:last],
        )


class RowTokenizer:
    """A Hugging Face fast tokenizer, reduced to what saescope needs of it.

    `vocab_size` is how many token ids the model knows, from 0 on; None if that doesn't matter.
    """

    def __init__(self, file: Path, vocab_size: int | None = None) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer: Any = Tokenizer.from_file(str(file))
        except BaseException as error:  # the library raises bare Exception, or panics
            if not is_failure(error):
                raise
            raise SaescopeError(f"{file} is not a tokenizer that can be read: {error}") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.vocab_size = vocab_size

    def encode(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """Token ids of each text, without special tokens added; raises whatever the tokenizer raises."""
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(encoding.ids, np.int32) for encoding in encodings]

    def vocabulary(self, size: int) -> list[str]:
        """Each token id's text; U+FFFD stands for bytes that are no whole character, '' for ids without a token."""
        return [self._tokenizer.decode([token], skip_special_tokens=False) for token in range(size)]


def read_chunks(
    records: Iterable[Record],
    tokenizer: RowTokenizer,
    chunk_size: int,
    policy: TokenPolicy,
    first_chunk: int = 0,
    running: RunningHash | None = None,
) -> Iterator[Chunk]:
    """Group records into chunks and tokenise them; chunks before `first_chunk` are read over, not tokenised.

    A chunk is `chunk_size` records, or fewer when their texts are so long that memory would follow them. `running`
    takes in each chunk's hash, also of those that are read over, before the chunk is given away; it may raise.
    """
    running = running or RunningHash()
    for index, batch in enumerate(_batches(records, chunk_size)):
        if index < first_chunk:
            running.add(hash_of_records(batch))
            continue
        chunk = tokenise(index, batch, tokenizer, policy)
        running.add(chunk.rows_hash)
        yield chunk
    running.end()


def tokenise(index: int, records: Sequence[Record], tokenizer: RowTokenizer, policy: TokenPolicy) -> Chunk:
    """Tokenise one chunk's records; a row keeps only the tokens that the policy puts into windows.

    A row that the tokenizer fails on, or that has a token which the model doesn't know, is skipped with the reason.
    Raises SaescopeError if the tokenizer fails whatever the text.
    """
    rows: list[Row] = []
    ids: list[NDArray[np.int32]] = []
    skipped = [record for record in records if isinstance(record, SkippedRow)]
    texts = [record for record in records if isinstance(record, Row)]
    for row, encoded in zip(texts, _encoded([row.text for row in texts], tokenizer), strict=True):
        kept = encoded if isinstance(encoded, str) else _known(encoded[: policy.keep(len(encoded))], tokenizer)
        if isinstance(kept, str):
            skipped.append(SkippedRow(row.row_id, kept))
        else:
            rows.append(row)
            ids.append(kept)
    return Chunk(
        index=index,
        row_ids=np.fromiter((row.row_id for row in rows), np.int64, len(rows)),
        texts=[row.text for row in rows],
        tokens=np.concatenate([np.zeros(0, np.int32), *ids]),
        starts=_starts(np.fromiter(map(len, ids), np.int64, len(ids))),
        skipped=sorted(skipped, key=lambda row: row.row_id),
        rows_hash=hash_of_records(records),
    )


def _encoded(texts: Sequence[str], tokenizer: RowTokenizer) -> Sequence[NDArray[np.int32] | str]:
    """Token ids of each text, or why it has none."""
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
    """The token ids if the model knows them all, or else the reason to skip their row."""
    size = tokenizer.vocab_size
    if size is None or not len(ids) or (ids.min() >= 0 and ids.max() < size):
        return ids
    return f"a token beyond the model's vocabulary of {size:,}"


def _batches(records: Iterable[Record], chunk_size: int) -> Iterator[list[Record]]:
    batch: list[Record] = []
    chars = 0
    for record in records:
        batch.append(record)
        chars += len(record.text) if isinstance(record, Row) else 0
        if len(batch) == chunk_size or chars >= CHUNK_CHARS:
            yield batch
            batch, chars = [], 0
    if batch:
        yield batch


def cut_windows(chunk: Chunk, policy: TokenPolicy) -> Windows:
    """The windows of a chunk's rows, in row order."""
    return windows_of(chunk.row_ids, chunk.tokens, chunk.starts, policy)


def windows_of(
    row_ids: NDArray[np.int64], tokens: NDArray[np.int32], starts: NDArray[np.int64], policy: TokenPolicy
) -> Windows:
    """The windows of rows given flat: row r has the tokens `tokens[starts[r]:starts[r + 1]]`, BOS not among them."""
    room = policy.row_tokens_per_window
    row_lengths = np.diff(starts)
    per_row = -(-row_lengths // room)
    row_of = np.repeat(np.arange(len(row_ids)), per_row)
    numbers = np.arange(len(row_of)) - np.repeat(np.cumsum(per_row) - per_row, per_row)
    begins = starts[:-1][row_of] + numbers * room
    own_lengths = np.minimum(begins + room, starts[1:][row_of]) - begins
    bos = int(policy.prepends_bos)
    window_starts = _starts(own_lengths + bos)
    bos_token_id = policy.bos_token_id or 0  # a model without BOS prepends none, so that the 0 is nowhere seen
    flat = np.full(int(window_starts[-1]), bos_token_id, np.int32)
    own = np.ones(len(flat), bool)
    if bos:
        own[window_starts[:-1]] = False
    # Each row's tokens are kept whole and in order, so the windows' own tokens are the rows' tokens in sequence.
    flat[own] = tokens[starts[0] : starts[-1]] if len(starts) else tokens
    return Windows(row_ids[row_of], numbers.astype(np.int32), flat, window_starts, _text_hashes(flat, window_starts))


def _starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def _text_hashes(tokens: NDArray[np.int32], starts: NDArray[np.int64]) -> NDArray[np.uint64]:
    data = np.ascontiguousarray(tokens, dtype="<i4").data.cast("B")
    bounds = (starts * 4).tolist()
    digests = b"".join(hashlib.blake2b(data[begin:end], digest_size=8).digest() for begin, end in pairwise(bounds))
    return np.frombuffer(digests, "<u8").astype(np.uint64)
