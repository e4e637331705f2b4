"""A source's first rows, and what they tell about all: how many rows and tokens there are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from sparse_autoencoder.data.row_skip_rules import Record
from sparse_autoencoder.pipeline.load_inputs import load_tokens
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.tokens.chunks import Chunk, tokenise

if TYPE_CHECKING:
    from sparse_autoencoder.data.source import Source

_SAMPLE_ROWS = 20_000  # are read to estimate how many there are
_TOKENISED_ROWS = 1_000


@dataclass(frozen=True)
class FirstRows:
    """The source's first rows, and how many it has; `total` is None if that can't be told."""

    first: list[Record]
    total: int | None
    is_exact: bool

    def in_words(self) -> str:
        """How many rows there are."""
        if self.total is None:
            return f"more than {len(self.first):,}"
        return f"{self.total:,}" if self.is_exact else f"about {rounded(self.total)}"


def first_rows(source: Source, options: RunOptions) -> FirstRows:
    """Read the first rows of an open source."""
    records: Iterator[Record] = iter(source)
    most = _SAMPLE_ROWS if options.max_rows is None else min(options.max_rows, _SAMPLE_ROWS)
    first = list(islice(records, most))
    if len(first) < most or options.max_rows == most or next(records, None) is None:
        return FirstRows(first, len(first), True)
    fraction = source.fraction_read()
    total = None if not fraction else round(len(first) / fraction)
    if options.max_rows is not None and (total is None or total >= options.max_rows):
        return FirstRows(first, options.max_rows, total is not None)
    return FirstRows(first, total, False)


def tokenised(options: RunOptions, rows: FirstRows) -> tuple[Chunk, float | None]:
    """The first rows' tokens, and about how many tokens of all rows count."""
    from sparse_autoencoder.tokens.windows import cut_windows

    loaded = load_tokens(options)
    sample = tokenise(0, rows.first[:_TOKENISED_ROWS], loaded.tokenizer, loaded.policy, None, options.columns.names)
    counted = len(cut_windows(sample, loaded.policy).counted_tokens)
    read = min(len(rows.first), _TOKENISED_ROWS)
    return sample, None if rows.total is None else counted / max(read, 1) * rows.total


def rounded(number: float) -> str:
    """A number to two digits."""
    return f"{int(float(f'{number:.2g}')):,}"
