"""Rows with the length distribution of the headlines, and the arithmetic that they need.

A token, here and in all results, is a token of a row; the BOS before it isn't counted, though it goes through the
model. Knows nothing of time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from sparse_autoencoder.data.row_skip_rules import Record, Row
from sparse_autoencoder.data.source import open_source
from sparse_autoencoder.tokens.chunks import Chunk, tokenise
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.tokenizer import RowTokenizer
from sparse_autoencoder.tokens.windows import Windows, cut_windows


@dataclass(frozen=True)
class Work:
    """How much was done: rows and their tokens, positions through the model (with BOS), vectors through the SAE."""

    rows: int
    tokens: int
    positions: int = 0
    vectors: int = 0

    @classmethod
    def of(cls, windows: Windows, policy: TokenPolicy) -> Work:
        """All of it: each window through the model, each counted token through the SAE."""
        tokens = len(windows.tokens) - policy.first_counted * len(windows)
        return cls(len(np.unique(windows.row_ids)), tokens, positions=len(windows.tokens), vectors=tokens)

    @classmethod
    def distinct(cls, windows: Windows, policy: TokenPolicy) -> Work:
        """The least that an exact result needs: whatever windows begin with alike, or are altogether, once."""
        texts = {part.tobytes() for part in np.split(windows.tokens, windows.starts[1:-1])}
        size = windows.tokens.itemsize
        beginnings = {text[:end] for text in texts for end in range(size, len(text) + 1, size)}
        vectors = sum(len(beginning) > size * policy.first_counted for beginning in beginnings)
        return cls(len(texts), vectors, positions=len(beginnings), vectors=vectors)


def block_shapes(config: Mapping[str, Any]) -> list[tuple[int, int]]:
    """(n_in, n_out) of a GPT-2 block's multiplications: queries, keys and values; their output; the MLP's two."""
    width = config["n_embd"]
    return [(width, 3 * width), (width, width), (width, 4 * width), (4 * width, width)]


def flop(shapes: list[tuple[int, int]]) -> int:
    """Floating-point operations of multiplying one row with matrices of these shapes."""
    return sum(2 * n_in * n_out for n_in, n_out in shapes)


def read_records(path: Path) -> list[Record]:
    """All of a file's records."""
    with open_source(str(path)) as source:
        return list(source)


def distinct_rows(path: Path) -> list[Row]:
    """A file's rows, each text once."""
    rows = [record for record in read_records(path) if isinstance(record, Row)]
    return list({row.text: row for row in rows}.values())


def windows_of_rows(
    records: Sequence[Record], tokenizer: RowTokenizer, policy: TokenPolicy, least_tokens: int | None = None
) -> tuple[Chunk, Windows]:
    """The records as one chunk, and its windows; only the first rows that have `least_tokens` together, if given."""
    chunk = tokenise(0, records, tokenizer, policy)
    if least_tokens is not None:
        lengths = np.diff(chunk.starts).tolist()
        enough = next((n for n, total in enumerate(accumulate(lengths), 1) if total >= least_tokens), len(lengths))
        chunk = tokenise(0, records[:enough], tokenizer, policy)
    return chunk, cut_windows(chunk, policy)
