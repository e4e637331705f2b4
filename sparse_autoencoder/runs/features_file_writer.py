"""Writes a run's features, with statistics and examples: as features/*.parquet and as feature_tokens.json."""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from sparse_autoencoder.runs.example_windows import ExampleWindows
from sparse_autoencoder.runs.features_file_format import EXAMPLE, EXAMPLES, FEATURES_PER_FILE, to_parquet
from sparse_autoencoder.runs.format_version import FORMAT
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.overview_file import Overview
from sparse_autoencoder.summaries.example_arrays import Examples
from sparse_autoencoder.summaries.feature_summary import Summary
from sparse_autoencoder.utils.numpy_array_ops import Ints, ranges, starts_of

_WRITERS = min(8, os.cpu_count() or 1)  # files that are made at once; each takes about 40 MB of memory


@dataclass(frozen=True)
class _Shown:
    """Examples with their slots in ExampleWindows."""

    examples: Examples
    slots: Ints  # [examples]


class FeatureWriter:
    """A run's features with statistics and examples, as Parquet files and as the original's JSON."""

    def __init__(
        self,
        summary: Summary,
        overview: Overview,
        windows: ExampleWindows,
        vocabulary: list[str],
        metadata: RunMetadata,
    ) -> None:
        windows.finish()
        self._n_features = summary.spec.n_features
        self._overview = overview
        self._windows = windows
        self._vocabulary = pa.array(vocabulary, pa.string())
        self._metadata = metadata
        self._top, self._random = (_Shown(part, windows.slots(part)) for part in (summary.top, summary.random))
        self._num_tokens = self._example_tokens(self._top) + self._example_tokens(self._random)

    def files(self) -> Iterator[bytes]:
        """The features files in order; the next few are made in threads meanwhile."""
        pending: deque[Future[bytes]] = deque()
        with ThreadPoolExecutor(_WRITERS) as pool:
            for begin in range(0, len(self._num_tokens), FEATURES_PER_FILE):
                num_tokens = self._num_tokens[begin : begin + FEATURES_PER_FILE]
                pending.append(pool.submit(to_parquet, self._table, begin, num_tokens))
                if len(pending) > _WRITERS:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()

    def feature_tokens(self, features: list[int]) -> dict[str, Any]:
        """The content of feature_tokens.json for these features, in the original's format."""
        top, slots = self._top.examples, self._top.slots
        prompt_index = self._windows.prompt_index(slots)
        bounds = np.searchsorted(top.feature, [features, [feature + 1 for feature in features]])

        def entry(example: int) -> dict[str, Any]:
            start, length = (int(number) for number in self._windows.spans(slots[example]))
            ids = self._windows.tokens[start : start + length]
            tokens = self._vocabulary.take(pa.array(ids)).to_pylist()
            position = int(top.position[example])
            return {
                "activation": float(top.value[example]),
                "token_str": tokens[position],
                "token_id": int(ids[position]),
                "token_position": position,
                "prompt_index": int(prompt_index[example]),
                "row_id": int(top.row_id[example]),
                "prompt_snippet": self._windows.snippet(int(slots[example])),
                "prompt_tokens": tokens,
            }

        return {
            "format_version": FORMAT,
            "top_tokens_per_feature": self._metadata.top_tokens_per_feature,
            "features": {
                str(feature): [entry(example) for example in range(begin, end)]
                for feature, begin, end in zip(features, *bounds.tolist(), strict=True)
            },
        }

    def _example_tokens(self, shown: _Shown) -> Ints:
        """The total number of tokens in each feature's examples: [features]."""
        _starts, lengths = self._windows.spans(shown.slots)
        totals = np.bincount(shown.examples.feature, lengths, minlength=self._n_features)
        return totals.astype(np.int64)

    def _table(self, begin: int, end: int) -> pa.Table:
        columns: dict[str, Any] = {
            **self._overview.statistics.columns(begin, end),
            "histogram": self._overview.histograms.to_arrow(begin, end),
            "top": self._examples(self._top, begin, end),
            "random": self._examples(self._random, begin, end),
        }
        return pa.table(columns)

    def _examples(self, shown: _Shown, begin: int, end: int) -> pa.ListArray:
        # the same type as the array: with another one numpy would convert the whole array for each file
        bounds = np.searchsorted(shown.examples.feature, np.arange(begin, end + 1, dtype=np.int32))
        part = shown.examples.take(np.arange(bounds[0], bounds[-1]))
        slots = shown.slots[bounds[0] : bounds[-1]]
        starts, lengths = self._windows.spans(slots)
        token_ids = self._windows.tokens[ranges(starts, lengths)]
        offsets = starts_of(lengths)
        activations = np.zeros(len(token_ids), np.float32)
        activations[np.repeat(offsets[:-1], np.diff(part.act_starts)) + part.act_position] = part.act_value
        list_offsets = pa.array(offsets.astype(np.int32))
        ids = pa.array(token_ids)
        entries = pa.StructArray.from_arrays(
            [
                pa.array(part.value),
                pa.array(part.row_id),
                pa.array(self._windows.prompt_index(slots)),
                pa.array(self._windows.window_offsets(part)),
                pa.array(part.position),
                pa.array(self._windows.counts(part)),
                *(
                    pa.ListArray.from_arrays(list_offsets, values, type=EXAMPLE.field(name).type)
                    for name, values in (
                        ("token_ids", ids),
                        ("tokens", self._vocabulary.take(ids)),
                        ("activations", pa.array(activations)),
                    )
                ),
            ],
            fields=list(EXAMPLE),
        )
        return pa.ListArray.from_arrays(pa.array((bounds - bounds[0]).astype(np.int32)), entries, type=EXAMPLES)
