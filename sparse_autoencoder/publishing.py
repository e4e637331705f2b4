"""A run's merged summary and its prompts files -> the published files.

Publishing reads the prompts files once, in order: it writes prompts.jsonl and skipped.jsonl, counts how often the
examples' texts occur, and fetches the examples' tokens. Then it writes features/*.parquet, the two JSON files that the
original scripts wrote, and overview.parquet. Memory is bounded by features times examples; everything but metadata.json
is the same bytes however the run was interrupted and resumed.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sparse_autoencoder.arrays import Ints, ranges
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.examples import Examples
from sparse_autoencoder.features_files import EXAMPLE, EXAMPLES, FEATURES_PER_FILE, to_parquet
from sparse_autoencoder.formats import FORMAT
from sparse_autoencoder.metrics import FEATURE_METRICS
from sparse_autoencoder.overview import Overview, Statistics, overview_of
from sparse_autoencoder.prompts import Rows, json_rows, read_rows
from sparse_autoencoder.ranking import ranked
from sparse_autoencoder.runs import RunFolder, RunMetadata, RunState
from sparse_autoencoder.summary import Summary

SNIPPET_CHARS = 200
_WRITERS = min(8, os.cpu_count() or 1)  # features files that are made at once; each takes about 40 MB
_WINDOW_BITS = 22  # of the window number in a packed key: a row is at most 2^20 characters, of 4 bytes (tokens) each


def check_outcome(metadata: RunMetadata, state: RunState) -> None:
    """Raise SaescopeError, with the reason, if no row could be used: then there is nothing to publish."""
    if state.num_prompts:
        return
    if state.failed_chunks:
        raise SaescopeError(f"no chunk could be encoded: {state.failed_chunks[0].error}")
    reasons = ", ".join(f"{reason}: {count:,}" for reason, count in state.skipped.most_common())
    raise SaescopeError(
        f"none of the {state.num_records:,} rows of {metadata.dataset_csv} has usable text ({reasons}); "
        "choose another --source or --text-column"
    )


def publish(folder: RunFolder, metadata: RunMetadata, state: RunState, chunks: Iterable[int]) -> None:
    """Write everything but metadata.json; `chunks` are the numbers of the prompts files there are, in order."""
    summary = state.summary
    texts = _ExampleTexts(summary, metadata)
    with _temporary_file() as prompts, _temporary_file() as skipped:
        for chunk in chunks:
            rows = read_rows(folder.store.get(folder.prompts(chunk)), metadata.policy)
            _write_lines(prompts, json_rows(rows))
            _write_lines(skipped, ({"row_id": row_id, "reason": reason} for row_id, reason in rows.skipped))
            texts.add(rows)
        for name, file in (("prompts.jsonl", prompts), ("skipped.jsonl", skipped)):
            file.seek(0)
            folder.store.put(folder.key(name), file)
    overview = overview_of(summary)
    writer = _FeatureWriter(summary, overview, texts, folder.read_vocabulary(), metadata)
    for number, data in enumerate(writer.files()):
        folder.store.put(folder.features(number), data)
    top_features = _top_features(overview.statistics, metadata.options.top_feature_count)
    _put_json(folder, "feature_stats.json", _feature_stats(summary, overview.statistics, top_features, metadata))
    listed = sorted({feature for features in top_features.values() for feature in features})
    _put_json(folder, "feature_tokens.json", writer.feature_tokens(listed))
    folder.store.put(folder.overview, overview.to_parquet())


class _ExampleTexts:
    """The windows that examples refer to: their tokens, their rows, and how often each text occurs."""

    def __init__(self, summary: Summary, metadata: RunMetadata) -> None:
        keys = [_window_key(examples.row_id, examples.window) for examples in (summary.top, summary.random)]
        self._policy = metadata.policy
        self._wanted = np.unique(np.concatenate(keys))
        self._texts = np.unique(np.concatenate([summary.top.text, summary.random.text]))
        self._counts = np.zeros(len(self._texts), np.int64)
        self._prompt_index = np.zeros(len(self._wanted), np.int64)
        self._lengths = np.zeros(len(self._wanted), np.int64)
        self._tokens: list[NDArray[np.int32]] = []
        self._snippets: list[str] = []
        self._rows_seen = 0

    def add(self, rows: Rows) -> None:
        """Take what is needed of the next prompts file; files come in row order."""
        windows = rows.windows
        at = np.searchsorted(self._texts, windows.texts)
        known = at < len(self._texts)
        known[known] = self._texts[at[known]] == windows.texts[known]
        self._counts += np.bincount(at[known], minlength=len(self._texts))
        keys = _window_key(windows.row_ids, windows.numbers)
        found = np.flatnonzero(np.isin(keys, self._wanted, assume_unique=True))
        slots = np.searchsorted(self._wanted, keys[found])
        row = np.searchsorted(rows.row_ids, windows.row_ids[found])
        self._prompt_index[slots] = self._rows_seen + row
        self._lengths[slots] = windows.lengths[found]
        self._tokens.append(windows.tokens[ranges(windows.starts[found], windows.lengths[found])])
        self._snippets += [rows.texts[r][:SNIPPET_CHARS] for r in row.tolist()]
        self._rows_seen += len(rows.row_ids)

    def finish(self) -> None:
        """Check that every example's window was seen."""
        if (self._lengths == 0).any():
            row_id = int(self._wanted[self._lengths == 0][0]) >> _WINDOW_BITS
            raise SaescopeError(f"the prompts files lack row {row_id}, which an example shows: run it again")
        self.tokens = np.concatenate([np.zeros(0, np.int32), *self._tokens])
        self._starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(self._lengths)])

    def slots(self, examples: Examples) -> Ints:
        """Which of the windows each example shows."""
        return np.searchsorted(self._wanted, _window_key(examples.row_id, examples.window))

    def spans(self, slots: Ints) -> tuple[Ints, Ints]:
        """Where windows' tokens begin in `tokens`, and how many there are."""
        return self._starts[slots], self._lengths[slots]

    def counts(self, examples: Examples) -> Ints:
        """How often each example's text occurs in the dataset."""
        return self._counts[np.searchsorted(self._texts, examples.text)]

    def prompt_index(self, slots: Ints) -> Ints:
        """The lines in prompts.jsonl of windows' rows."""
        return self._prompt_index[slots]

    def snippet(self, slot: int) -> str:
        """The beginning of a window's row."""
        return self._snippets[slot]

    def window_offsets(self, examples: Examples) -> NDArray[np.int32]:
        """Each example's window's first own token, counted in its row."""
        return (examples.window * self._policy.row_tokens_per_window).astype(np.int32)


@dataclass(frozen=True)
class _Shown:
    """Examples, and which of the windows each shows."""

    examples: Examples
    slots: Ints  # [examples]


class _FeatureWriter:
    """Features with their statistics and examples, as Parquet and as the original's JSON."""

    def __init__(
        self,
        summary: Summary,
        overview: Overview,
        texts: _ExampleTexts,
        vocabulary: list[str],
        metadata: RunMetadata,
    ) -> None:
        texts.finish()
        self._n_features = summary.spec.n_features
        self._overview = overview
        self._texts = texts
        self._vocabulary = pa.array(vocabulary, pa.string())
        self._metadata = metadata
        self._top, self._random = (_Shown(part, texts.slots(part)) for part in (summary.top, summary.random))
        self._num_tokens = self._example_tokens(self._top) + self._example_tokens(self._random)

    def files(self) -> Iterator[bytes]:
        """The features files in order; the next ones are made meanwhile, a few at a time."""
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
        """feature_tokens.json, in the original's format, for these features."""
        top, slots = self._top.examples, self._top.slots
        prompt_index = self._texts.prompt_index(slots)
        bounds = np.searchsorted(top.feature, [features, [feature + 1 for feature in features]])

        def entry(example: int) -> dict[str, Any]:
            start, length = (int(number) for number in self._texts.spans(slots[example]))
            ids = self._texts.tokens[start : start + length]
            tokens = self._vocabulary.take(pa.array(ids)).to_pylist()
            position = int(top.position[example])
            return {
                "activation": float(top.value[example]),
                "token_str": tokens[position],
                "token_id": int(ids[position]),
                "token_position": position,
                "prompt_index": int(prompt_index[example]),
                "row_id": int(top.row_id[example]),
                "prompt_snippet": self._texts.snippet(int(slots[example])),
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
        """How many tokens each feature's examples have together [features]."""
        _starts, lengths = self._texts.spans(shown.slots)
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
        # of the array's type: numbers of another would have the whole array converted for each file
        bounds = np.searchsorted(shown.examples.feature, np.arange(begin, end + 1, dtype=np.int32))
        part = shown.examples.take(np.arange(bounds[0], bounds[-1]))
        slots = shown.slots[bounds[0] : bounds[-1]]
        starts, lengths = self._texts.spans(slots)
        token_ids = self._texts.tokens[ranges(starts, lengths)]
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        activations = np.zeros(len(token_ids), np.float32)
        activations[np.repeat(offsets[:-1], np.diff(part.act_starts)) + part.act_position] = part.act_value
        list_offsets = pa.array(offsets.astype(np.int32))
        ids = pa.array(token_ids)
        entries = pa.StructArray.from_arrays(
            [
                pa.array(part.value),
                pa.array(part.row_id),
                pa.array(self._texts.prompt_index(slots)),
                pa.array(self._texts.window_offsets(part)),
                pa.array(part.position),
                pa.array(self._texts.counts(part)),
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


def _top_features(statistics: Statistics, how_many: int) -> dict[str, list[int]]:
    """By each metric the first of the features that fired."""
    orders = {name: ranked(values) for name, values in statistics.metrics.items()}
    return {name: order[statistics.count[order] > 0][:how_many].tolist() for name, order in orders.items()}


def _feature_stats(
    summary: Summary, statistics: Statistics, top_features: dict[str, list[int]], metadata: RunMetadata
) -> dict[str, Any]:
    """feature_stats.json, in the original's format."""
    descriptions = {metric.name: metric.description for metric in FEATURE_METRICS}
    mean_squares = summary.totals().mean(summary.sum2)
    return {
        "format_version": FORMAT,
        "num_features": summary.spec.n_features,
        "total_tokens": summary.num_tokens,
        "top_feature_count": metadata.top_feature_count,
        "metrics": {
            name: {
                "description": descriptions[name],
                "top_features": [
                    {
                        "feature_id": feature,
                        "value": float(statistics.metrics[name][feature]),
                        "metrics": {other: float(values[feature]) for other, values in statistics.metrics.items()},
                    }
                    for feature in features
                ],
            }
            for name, features in top_features.items()
        },
        "mean_act_squared": mean_squares.tolist(),
    }


def _window_key(row_id: Ints, window: NDArray[np.int32]) -> Ints:
    return (row_id << _WINDOW_BITS) | window


@contextmanager
def _temporary_file() -> Iterator[BinaryIO]:
    """A file that is gone afterwards; SaescopeError if it can't be made or written."""
    try:
        with tempfile.TemporaryFile() as file:
            yield file
    except OSError as error:
        raise SaescopeError(
            f"can't write a temporary file: {error.strerror or error}; make room, or name another folder in TMPDIR"
        ) from error


def _write_lines(file: BinaryIO, entries: Iterable[dict[str, Any]]) -> None:
    encode = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps would make one for each entry
    file.writelines(encode(entry).encode() + b"\n" for entry in entries)


def _put_json(folder: RunFolder, name: str, content: dict[str, Any]) -> None:
    folder.store.put(folder.key(name), json.dumps(content, ensure_ascii=False).encode())
