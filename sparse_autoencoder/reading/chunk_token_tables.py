"""What the chunks' token tables say while a run is unfinished: of a bounded number of chunks, and of how many.

Row groups are read until there were MOST_GROUPS, so an answer takes a second or so however far the run is. Chunks are
taken from all parts of what is merged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparse_autoencoder.reading.damaged_files import readable
from sparse_autoencoder.reading.token_tables import groups_with, token_ranges
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.store import StoreFile
from sparse_autoencoder.runs.token_matches import TokenCounts
from sparse_autoencoder.runs.token_table_format import opened, parts_of
from sparse_autoencoder.runs.tokens_by_feature import LISTED, effective_tokens, in_units
from sparse_autoencoder.summaries.token_table import OCCURRENCES, TokenTable
from sparse_autoencoder.utils.numpy_array_ops import Mask

MOST_CHUNKS = 64
MOST_GROUPS = 384
"""Most row groups that an answer is from, unless the first chunk has more; one takes about 2 ms."""


@dataclass(frozen=True)
class ChunkTokenTables:
    """The token tables of an unfinished run's merged chunks. All calls raise SaescopeError if a file is damaged."""

    folder: RunFolder
    n_features: int
    chunks: Sequence[int]

    def exist(self) -> bool:
        """Whether the chunks have tables at all."""
        return not set(self.folder.numbers("token_tables")).isdisjoint(self.chunks)

    def counts(self, wanted: Mask) -> TokenCounts:
        """How features fire on the wanted tokens [vocabulary]."""
        count = np.zeros(self.n_features, np.int64)
        maximum = np.zeros(self.n_features, np.float32)
        occurrences = num_chunks = 0
        for tables in self._read(wanted):
            num_chunks += 1
            for table in tables:
                chosen = table.take(wanted[table.token])
                itself = chosen.feature == OCCURRENCES
                occurrences += int(chosen.count[itself].sum())
                features = chosen.take(~itself)
                np.add.at(count, features.feature, features.count)
                np.maximum.at(maximum, features.feature, features.maximum)
        feature = np.flatnonzero(count).astype(np.int32)
        return TokenCounts(feature, count[feature], maximum[feature], occurrences, num_chunks, len(self.chunks))

    def of_feature(self, feature_id: int) -> dict[str, Any]:
        """A feature's row as in tokens_by_feature.parquet, and the numbers of chunks `chunks` and `of`."""
        found, num_chunks = [TokenTable.empty()], 0
        for tables in self._read(None):
            num_chunks += 1
            for table in tables:
                found.append(table.take((table.feature == feature_id) | (table.feature == OCCURRENCES)))
        table = TokenTable.merged(found)
        itself = table.feature == OCCURRENCES
        own = table.take(~itself)
        occurrences = table.count[itself][np.searchsorted(table.token[itself], own.token)]
        order = np.lexsort((own.token, -own.count))
        shown, rest = order[:LISTED], order[LISTED:]
        firings = int(own.count.sum())
        columns = zip(
            own.token[shown].tolist(),
            own.count[shown].tolist(),
            in_units(own.total[shown]).tolist(),
            own.maximum[shown].tolist(),
            occurrences[shown].tolist(),
            strict=True,
        )
        names = ("token_id", "count", "sum_activation", "max_activation", "occurrences")
        return {
            "num_active_tokens": firings,
            "num_distinct_tokens": len(own),
            "effective_tokens": float(effective_tokens(own.count.sum(), (own.count**2).sum())),
            "main_token_share": int(own.count[order[0]]) / firings if firings else 0.0,
            "left_out_tokens": len(rest),
            "left_out_count": int(own.count[rest].sum()),
            "left_out_sum": float(in_units(own.total[rest].sum())),
            "tokens": [dict(zip(names, values, strict=True)) for values in columns],
            "chunks": num_chunks,
            "of": len(self.chunks),
        }

    def _read(self, wanted: Mask | None) -> Iterator[Iterator[TokenTable]]:
        """For each chunk that is read, its row groups with a wanted token, or all of them."""
        step = -(-len(self.chunks) // MOST_CHUNKS)
        left = MOST_GROUPS
        for number, chunk in enumerate(self.chunks[:: max(step, 1)]):
            key = self.folder.token_table(chunk)
            with readable(self.folder, key):
                file = opened(StoreFile(self.folder.store, key))
                every = range(file.num_row_groups)
                groups = list(every) if wanted is None else groups_with(wanted, *token_ranges(file, "token")).tolist()
            left -= len(groups)
            if left < 0 and number:
                return
            yield self._parts(key, file, groups)

    def _parts(self, key: str, file: Any, groups: list[int]) -> Iterator[TokenTable]:
        with readable(self.folder, key):
            yield from parts_of(file, groups)
