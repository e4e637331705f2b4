"""Writes a run's features, with statistics and examples: as features/*.parquet and as feature_tokens.json."""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sparse_autoencoder.runs.example_windows import ExampleWindows
from sparse_autoencoder.runs.features_file_format import (
    BAND,
    BAND_LIST,
    BAND_LISTS,
    EXAMPLE,
    EXAMPLES,
    FEATURES_PER_FILE,
    to_parquet,
)
from sparse_autoencoder.runs.format_version import FORMAT
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.overview_file import Overview
from sparse_autoencoder.summaries.example_arrays import Examples
from sparse_autoencoder.summaries.feature_summary import HISTOGRAM_BIN_WIDTH, Summary
from sparse_autoencoder.summaries.strength_bands import BANDS, edges
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
        self._top, self._random, self._bands = (
            _Shown(part, windows.slots(part)) for part in (summary.top, summary.random, summary.bands)
        )
        self._num_tokens = (
            self._example_tokens(self._top.slots, self._top.examples.feature)
            + self._example_tokens(self._random.slots, self._random.examples.feature)
            + self._example_tokens(self._bands.slots, self._bands.examples.feature // BANDS)
        )

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

    def _example_tokens(self, slots: Ints, feature: NDArray[np.int32]) -> Ints:
        """The total number of tokens in each feature's examples: [features]."""
        _starts, lengths = self._windows.spans(slots)
        return np.bincount(feature, lengths, minlength=self._n_features).astype(np.int64)

    def _table(self, begin: int, end: int) -> pa.Table:
        columns: dict[str, Any] = {
            **self._overview.statistics.columns(begin, end),
            "histogram": self._overview.histograms.to_arrow(begin, end),
            "top": self._examples(self._top, np.arange(begin, end + 1)),
            "random": self._examples(self._random, np.arange(begin, end + 1)),
            BAND_LIST: self._band_list(begin, end),
        }
        return pa.table(columns)

    def _band_list(self, begin: int, end: int) -> pa.ListArray:
        """The bands of the features `begin` to `end` (exclusive), as an Arrow array."""
        bands = self._overview.histograms.bands(begin, end)
        above, up_to = edges(bands.number, HISTOGRAM_BIN_WIDTH)
        of_bands = np.append((begin + bands.feature) * BANDS + bands.number, end * BANDS)
        entries = pa.StructArray.from_arrays(
            [pa.array(above), pa.array(up_to), pa.array(bands.count), self._examples(self._bands, of_bands)],
            fields=list(BAND),
        )
        starts = np.searchsorted(bands.feature, np.arange(end - begin + 1)).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(starts), entries, type=BAND_LISTS)

    def _examples(self, shown: _Shown, bounds_of: Ints) -> pa.ListArray:
        """The lists of examples from those of `bounds_of[0]` to before `bounds_of[-1]`, which are all of them there."""
        # the same type as the array: with another one numpy would convert the whole array for each file
        bounds = np.searchsorted(shown.examples.feature, bounds_of.astype(np.int32))
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
