"""A run's source as `read_source.py` reads it: opened, tokenised and cut into chunks by the library."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from services.common.allowed_sources import allowed
from services.common.attempt_rule import Moved
from services.common.run_json_files import ReadingProgress
from sparse_autoencoder.data.row_skip_rules import Record
from sparse_autoencoder.data.rows_hash import ReadBefore, RunningHash
from sparse_autoencoder.data.source import Source
from sparse_autoencoder.pipeline.load_inputs import Tokens, load_tokens, open_rows
from sparse_autoencoder.runs.rows_file_format import chunk_to_parquet
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.tokens.chunks import read_chunks


class TokenisedSource:
    """The interface Dataset (read_source.py) on one of the library's sources."""

    def __init__(self, source: Source, tokens: Tokens, options: RunOptions) -> None:
        self._source = source
        self._tokens = tokens
        self._options = options
        self._running = RunningHash()
        self._num_records = 0

    def progress(self, num_chunks: int) -> ReadingProgress:
        return ReadingProgress(
            source=self._source.describe(),
            tokens=self._tokens.made_of,
            rows_hash=self._running.value,
            num_chunks=num_chunks,
            num_records=self._num_records,
            fraction=self._source.fraction_read(),
        )

    def chunks(self, first: int, moved: Moved, before: ReadBefore | None = None) -> Iterator[tuple[int, bytes]]:
        tokens, size = self._tokens, self._options.chunk_size
        self._running = RunningHash(before)
        kept = self._options.columns
        for chunk in read_chunks(
            self._records(moved), tokens.tokenizer, size, tokens.policy, first, self._running, kept
        ):
            yield chunk.index, chunk_to_parquet(chunk, tokens.made_of)

    def _records(self, moved: Moved) -> Iterator[Record]:
        for record in islice(self._source, self._options.max_rows):
            moved()
            self._num_records += 1
            yield record


@contextmanager
def open_dataset(options: RunOptions, data_folder: Path) -> Iterator[TokenisedSource]:
    """Open the source that the options name; SaescopeError if it isn't allowed, isn't there or can't be read."""
    options = allowed(options, data_folder)
    with open_rows(options) as source:
        yield TokenisedSource(source, load_tokens(options), options)
