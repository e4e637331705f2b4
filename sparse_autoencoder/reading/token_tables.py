"""A finished run's files about tokens: which features fire on a token, and which tokens a feature fires on.

Runs of earlier versions don't have them. Several threads may use a reader.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sparse_autoencoder.reading.damaged_files import readable
from sparse_autoencoder.runs import features_by_token, tokens_by_feature
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.store import NotFoundError
from sparse_autoencoder.runs.stored_parquet import open_stored
from sparse_autoencoder.runs.token_matches import TokenCounts
from sparse_autoencoder.utils.numpy_array_ops import Ints, Mask, starts_of

Record = dict[str, Any]
_ENTRY = "features.list.element."


class TokenTables:
    """The two files; create it with `of`. All calls raise SaescopeError if a file is damaged."""

    def __init__(self, folder: RunFolder, n_features: int) -> None:
        self._folder = folder
        self._n_features = n_features
        # by file: two threads that read one ParquetFile at once crash the process
        self._locks = {key: threading.Lock() for key in (folder.features_by_token, folder.tokens_by_feature)}

    @classmethod
    def of(cls, folder: RunFolder, n_features: int) -> TokenTables | None:
        """The run's files; None if it has none of them."""
        for key in (folder.features_by_token, folder.tokens_by_feature):
            with suppress(NotFoundError):
                folder.store.size(key)
                return cls(folder, n_features)
        return None

    def counts(self, wanted: Mask, chunks: int) -> TokenCounts:
        """How features fire on the wanted tokens [vocabulary], of a run of so many chunks."""
        count = np.zeros(self._n_features, np.int64)
        maximum = np.zeros(self._n_features, np.float32)
        occurrences = 0
        with self._reading(self._folder.features_by_token):
            file = self._by_token
            for group in groups_with(wanted, *self._token_ranges):
                columns = [
                    "token_id",
                    "occurrences",
                    f"{_ENTRY}feature_id",
                    f"{_ENTRY}count",
                    f"{_ENTRY}max_activation",
                ]
                table = file.read_row_group(int(group), columns=columns, use_threads=False).combine_chunks()
                chosen = wanted[table["token_id"].to_numpy()]
                occurrences += int(table["occurrences"].to_numpy()[chosen].sum())
                lists = table["features"].combine_chunks().filter(np.asarray(chosen))
                feature, firings, largest = (entry.to_numpy() for entry in lists.flatten().flatten())
                if (feature < 0).any() or (firings <= 0).any() or not np.isfinite(largest).all():
                    raise ValueError("there are numbers in it that can't be")
                np.add.at(count, feature, firings)
                np.maximum.at(maximum, feature, largest)
            if count.max(initial=0) > occurrences:
                raise ValueError("a feature fires more often than the tokens occur")
        feature = np.flatnonzero(count).astype(np.int32)
        return TokenCounts(feature, count[feature], maximum[feature], occurrences, chunks, chunks)

    @cached_property
    def numbers(self) -> dict[str, NDArray[Any]]:
        """The columns NUMBERS of tokens_by_feature.parquet, [features] each."""
        with self._reading(self._folder.tokens_by_feature):
            table = self._by_feature.read(columns=list(tokens_by_feature.NUMBERS), use_threads=False)
            if len(table) != self._n_features:
                raise ValueError(f"there are {len(table)} features in it, not {self._n_features}")
            return {name: table[name].to_numpy() for name in tokens_by_feature.NUMBERS}

    def of_feature(self, feature_id: int) -> Record:
        """A feature's row of tokens_by_feature.parquet."""
        with self._reading(self._folder.tokens_by_feature):
            group, place = divmod(feature_id, tokens_by_feature.FEATURES_PER_GROUP)
            table = self._by_feature.read_row_group(group, use_threads=False)
            record: Record = table.slice(place, 1).to_pylist()[0]
            _check(record)
            return record

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        with self._locks[key], readable(self._folder, key):
            yield

    @cached_property
    def _by_token(self) -> pq.ParquetFile:
        return open_stored(self._folder.store, self._folder.features_by_token, features_by_token.SCHEMA)

    @cached_property
    def _token_ranges(self) -> tuple[Ints, Ints]:
        return token_ranges(self._by_token, "token_id")

    @cached_property
    def _by_feature(self) -> pq.ParquetFile:
        return open_stored(self._folder.store, self._folder.tokens_by_feature, tokens_by_feature.SCHEMA)


def _check(record: Record) -> None:
    """Raise ValueError if the numbers of a feature can't be."""
    sums = [entry[name] for entry in record["tokens"] for name in ("sum_activation", "max_activation")]
    spread = [record[name] for name in ("effective_tokens", "main_token_share", "left_out_sum")]
    if any(not 0 < entry["count"] <= entry["occurrences"] for entry in record["tokens"]):
        raise ValueError("a feature fires more often than a token occurs")
    if sum(entry["count"] for entry in record["tokens"]) + record["left_out_count"] != record["num_active_tokens"]:
        raise ValueError("a feature's firings don't add up")
    if not np.isfinite([*sums, *spread]).all():
        raise ValueError("there are sums in it that are infinite or no numbers")


def token_ranges(file: pq.ParquetFile, column: str) -> tuple[Ints, Ints]:
    """The smallest and the largest token in each row group, by its statistics."""
    place = file.schema_arrow.get_field_index(column)
    ranges = [file.metadata.row_group(group).column(place).statistics for group in range(file.num_row_groups)]
    if any(statistics is None or not statistics.has_min_max for statistics in ranges):
        raise ValueError("the file doesn't say which tokens it holds")
    first, last = (np.array([getattr(one, name) for one in ranges], np.int64) for name in ("min", "max"))
    return first, last


def groups_with(wanted: Mask, first: Ints, last: Ints) -> Ints:
    """The row groups that have a wanted token [vocabulary], by their first and last tokens.

    Raises IndexError if a token is not in the vocabulary.
    """
    before = starts_of(wanted)
    groups: Ints = np.flatnonzero(before[last + 1] > before[first])
    return groups
