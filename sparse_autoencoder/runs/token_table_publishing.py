"""Merges a run's token tables, one for each chunk, and writes the two files about tokens.

Memory is bounded by features times listed tokens, and by the row groups that are merged at once.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq

from sparse_autoencoder.errors import DamagedError, SaescopeError
from sparse_autoencoder.runs.features_by_token import FeaturesByTokenWriter
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.not_firing import merged_samples
from sparse_autoencoder.runs.store import NotFoundError, StoreFile
from sparse_autoencoder.runs.temporary_files import temporary_file
from sparse_autoencoder.runs.token_table_format import opened
from sparse_autoencoder.runs.token_table_merging import merged_tables
from sparse_autoencoder.runs.tokens_by_feature import TokensByFeature
from sparse_autoencoder.summaries.feature_summary import Summary
from sparse_autoencoder.tokens.token_policy import TokenPolicy

_READ_BYTES = 1 << 18  # least bytes of a read from the store
_WHOLE_BYTES = 1 << 20  # smaller files are read at once


def publish_token_table(folder: RunFolder, summary: Summary, policy: TokenPolicy, chunks: Sequence[int]) -> None:
    """Write features_by_token.parquet and tokens_by_feature.parquet, unless no chunk has a token table.

    `chunks` are the chunks that were encoded. Raises SaescopeError if some have no table, or other activations.
    """
    there = set(folder.numbers("token_tables"))
    if there.isdisjoint(chunks):
        return
    with temporary_file() as file:
        by_feature = TokensByFeature(summary.spec.n_features)
        with _readable(folder), FeaturesByTokenWriter(file) as by_token:
            for part in merged_tables([partial(_opened, folder, chunk) for chunk in chunks], temporary_file):
                by_token.add(part)
                by_feature.add(part)
        with _readable(folder):
            samples = merged_samples(folder, chunks)
        data = by_feature.to_parquet(summary, samples, policy)
        file.seek(0)
        folder.store.put(folder.features_by_token, file)
    folder.store.put(folder.tokens_by_feature, data)


def _opened(folder: RunFolder, chunk: int) -> pq.ParquetFile:
    """A chunk's table; a small one is fetched whole, as each request may fail."""
    key = folder.token_table(chunk)
    beginning = folder.store.get(key, 0, _WHOLE_BYTES)
    if len(beginning) < _WHOLE_BYTES:
        return opened(io.BytesIO(beginning))
    return opened(io.BufferedReader(StoreFile(folder.store, key), _READ_BYTES))


@contextmanager
def _readable(folder: RunFolder) -> Iterator[None]:
    """Turn what reading missing or damaged tables raises into a SaescopeError."""
    try:
        yield
    except (pa.ArrowException, ValueError, NotFoundError, DamagedError) as error:
        raise SaescopeError(
            f"run {folder.run_id} can't be published, a file in its token_tables/ or token_samples/ is missing or "
            f"damaged: start a new run ({error})"
        ) from error
