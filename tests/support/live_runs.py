"""Unfinished runs of random rows and random activations, without models, and what they would publish as they are.

An activation depends on its window's tokens, as a model's does; tokens, activations and texts are few, so that ties,
repeated texts and full lists are common.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np

from sparse_autoencoder.data.row_skip_rules import SkippedRow
from sparse_autoencoder.pipeline.chunk_outputs import ChunkResult, failed_chunk
from sparse_autoencoder.reading.published_run import PublishedRun
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.overview_file import Overview
from sparse_autoencoder.runs.provenance import PUBLISHING, versions
from sparse_autoencoder.runs.publishing import publish
from sparse_autoencoder.runs.rank_by_metric import OTHER_SORTS, Selection
from sparse_autoencoder.runs.rows_file_format import to_parquet
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.run_state import RunState
from sparse_autoencoder.runs.saved_states import remove_states, write_state
from sparse_autoencoder.runs.store import DirectoryStore, Store
from sparse_autoencoder.runs.token_table_merging import ChunkTokens
from sparse_autoencoder.summaries.feature_metrics import FEATURE_METRICS
from sparse_autoencoder.summaries.feature_summary import Summary
from sparse_autoencoder.summaries.summarise_in_background import summarise_blocks
from sparse_autoencoder.summaries.summarise_numpy import SparseActivations
from sparse_autoencoder.summaries.text_sums import RowTexts
from sparse_autoencoder.tokens.chunks import Chunk
from sparse_autoencoder.tokens.windows import Windows, cut_windows
from tests.support.same_bits import assert_same_bits

VOCABULARY = ["<bos>", " a", " b", " c", "é", "\ufffd"]
N_FEATURES = 6  # the last never fires
OLD, MIDDLE, NEW = "20300101-000000_run-001", "20300102-000000_run-002", "20300103-000000_run-003"
VALUES = np.array([0.0, 0.0, 0.0, 0.1, 0.2, 0.2000001, 0.4, 1.0, 3.7, 250.0], np.float32)


@dataclass
class LiveWriter:
    """Writes an unfinished run chunk by chunk."""

    folder: RunFolder
    metadata: RunMetadata
    state: RunState
    next_row: int = 0

    @classmethod
    def start(cls, store: Store, run_id: str = OLD, **options: Any) -> Self:
        """A run of which nothing is merged yet."""
        metadata = metadata_of(run_id, RunOptions(**{"max_tokens": 5, "top_tokens_per_feature": 3} | options))
        writer = cls(RunFolder(store, run_id), metadata, RunState(Summary.empty(metadata.spec)))
        writer.folder.write_vocabulary([token.encode() for token in VOCABULARY])
        writer.folder.write_metadata(metadata)
        return writer

    def add(self, n_rows: int) -> None:
        """Encode a chunk of random rows, and merge it."""
        chunk = self._chunk(n_rows)
        policy = self.metadata.policy
        tokens = ChunkTokens()
        windows = cut_windows(chunk, policy)
        summary, row_features = summarise_blocks(
            [(windows, random_activations(windows, self.metadata.options.seed))],
            RowTexts.all_different(windows),
            self.metadata.spec,
            per_row=2,
            keep_tokens=tokens.add,
        )
        part = RunState(
            summary,
            next_chunk=chunk.index + 1,
            num_records=chunk.n_records,
            num_prompts=len(chunk.row_ids),
            num_windows=len(windows),
            skipped=Counter(row.reason for row in chunk.skipped),
        )
        self._merge(
            chunk.index,
            ChunkResult(part, to_parquet(chunk, row_features, policy, 2), tokens.table(), tokens.samples(chunk.index)),
        )

    def fail(self, n_rows: int) -> None:
        """Give a chunk of random rows up."""
        chunk = self._chunk(n_rows)
        self._merge(chunk.index, failed_chunk(chunk, "it was too hard", self.metadata.spec))

    def save(self) -> None:
        """Write the state."""
        write_state(self.folder, self.state)

    def further(self) -> None:
        """Merge one chunk more, and save that."""
        self.add(10)
        self.save()

    def finish(self) -> None:
        """End the run."""
        publish_here(self.folder, self.state)

    def delete(self) -> None:
        """Remove all there is of it."""
        for key in self.folder.store.list(self.folder.key("")):
            self.folder.store.delete(key)

    def _merge(self, chunk: int, result: ChunkResult) -> None:
        if result.prompts is not None:
            self.folder.store.put(self.folder.prompts(chunk), result.prompts)
        if result.token_table is not None:
            self.folder.store.put(self.folder.token_table(chunk), result.token_table)
        if result.token_samples is not None:
            self.folder.store.put(self.folder.token_samples(chunk), result.token_samples)
        self.state = self.state.merge(result.partial)

    def _chunk(self, n_rows: int) -> Chunk:
        """Rows with gaps between their ids; every seventh id is skipped."""
        index, policy = self.state.next_chunk, self.metadata.policy
        random = np.random.default_rng([self.metadata.options.seed, index])
        ids = self.next_row + np.cumsum(random.integers(1, 3, n_rows))
        self.next_row = int(ids[-1])
        usable = ids[ids % 7 != 0]
        rows = [random.integers(1, len(VOCABULARY), random.integers(1, 12)).astype(np.int32) for _ in usable]
        rows = [row[: policy.keep(len(row))] for row in rows]
        return Chunk(
            index,
            usable,
            [f"text {row_id}" for row_id in usable.tolist()],
            np.concatenate([np.zeros(0, np.int32), *rows]),
            np.cumsum([0, *map(len, rows)]),
            [SkippedRow(row_id, "no text") for row_id in ids[ids % 7 == 0].tolist()],
        )


def random_activations(windows: Windows, seed: int) -> SparseActivations:
    """Activations that depend on a window's tokens alone."""
    dense = np.zeros((len(windows.tokens), N_FEATURES), np.float32)
    for (begin, end), first_counted in zip(pairwise(windows.starts.tolist()), windows.first_counted, strict=True):
        random = np.random.default_rng([seed, *windows.tokens[begin:end].tolist()])
        counted = slice(begin + first_counted, end)
        dense[counted, :-1] = random.choice(VALUES, (end - begin, N_FEATURES - 1))[first_counted:]
    token, feature = np.nonzero(dense)
    return SparseActivations(token.astype(np.int32), feature.astype(np.int32), dense[token, feature])


def metadata_of(run_id: str, options: RunOptions, *, n_features: int = N_FEATURES, name: str = "random") -> RunMetadata:
    """A running run's metadata; `name` stands for all that it would have read."""
    return RunMetadata(
        run_id=run_id,
        status="running",
        options=options,
        source={"name": name},
        subject={"name": name},
        autoencoder={"name": name},
        bos_token_id=None if options.bos == "none" else 0,
        num_features=n_features,
        metrics=[{"name": metric.name, "description": metric.description} for metric in FEATURE_METRICS],
        versions=versions(PUBLISHING),
        started_at="2030-01-01T00:00:00+00:00",
        dataset_csv=name,
        text_column=None,
        layer_index=options.layer,
        location=options.location,
        max_sequence_length=options.max_tokens,
        top_feature_count=options.top_feature_count,
        top_tokens_per_feature=options.top_tokens_per_feature,
    )


def publish_here(folder: RunFolder, state: RunState) -> None:
    """End an unfinished run with this state."""
    metadata = folder.read_metadata()
    publish(folder, metadata, state, state.encoded_chunks)
    folder.write_metadata(metadata.with_counts(state, status="complete"))
    remove_states(folder)
    folder.remove_token_files()


def published_twin(run: RunFolder, state: RunState, store: DirectoryStore) -> PublishedRun:
    """What the run's published files would be if it ended with this state; they are written to another store."""
    twin = RunFolder(store, run.run_id)
    parts = run.store.list(run.vocabulary_bytes)  # if there are any
    tables = run.store.list(run.key("token_"))
    for name in [run.metadata, run.vocabulary, *parts, *tables, *map(run.prompts, state.encoded_chunks)]:
        store.put(name, run.store.get(name))
    publish_here(twin, state)
    return PublishedRun(twin, twin.read_metadata())


def as_live(record: dict[str, Any]) -> dict[str, Any]:
    """A published feature's record without what is counted only when a run is published."""
    uncounted = {"text_count": None, "prompt_index": None}

    def live(examples: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [example | uncounted for example in examples]

    bands = [band | {"examples": live(band["examples"])} for band in record["bands"]]
    return record | {"top": live(record["top"]), "random": live(record["random"]), "bands": bands}


def entries_of(overview: Overview) -> list[dict[str, Any]]:
    """What an overview says of each feature."""
    statistics = overview.statistics
    return [
        {
            "count": int(statistics.count[feature]),
            "sums": [float(total[feature]) for total in statistics.sums],
            "metrics": {name: float(values[feature]) for name, values in statistics.metrics.items()},
            "histogram": overview.histograms.of(feature),
            "tokens": overview.tokens.of(feature),
        }
        for feature in range(len(statistics.count))
    ]


def assert_shows_the_same(live: Any, published: PublishedRun, features: Collection[int] | None = None) -> None:
    """Metadata's counts, overviews, rankings, and every feature's record, by record."""
    assert live.metadata == published.metadata.model_copy(update={"status": live.metadata.status})
    assert live.metric_descriptions == published.metric_descriptions
    assert entries_of(live.overview) == entries_of(published.overview)
    for metric in [*published.metric_descriptions, *OTHER_SORTS]:
        for descending in (True, False):
            selection = Selection(metric, descending)
            assert live.ranking(selection).tolist() == published.ranking(selection).tolist()
    assert_same_bits(live.positions, published.positions)
    for feature in range(published.metadata.num_features) if features is None else features:
        assert live.feature(feature) == as_live(published.feature(feature))


def start(store: DirectoryStore, run_id: str, chunks: int = 1) -> LiveWriter:
    """A run with so many chunks merged and saved; with none, not even a state."""
    writer = LiveWriter.start(store, run_id)
    for _ in range(chunks):
        writer.add(10)
    if chunks:
        writer.save()
    return writer
