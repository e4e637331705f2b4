"""Writes a finished run of any size without models: random texts and activations, summarised and published as always.

    python -m benchmarks.summaries.synthetic_run FOLDER [--features 32768] [--rows 60000]

Rows of 8 to 24 tokens, at each of which about 32 features are active, as in merge_speed.py. With the default number of
rows nearly every feature's lists of examples are full. The same arguments give the same files.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.summaries.merge_speed import ROWS_PER_CHUNK, Rows, blocks_of, frequencies, make_rows
from sparse_autoencoder.run_flags import at_least
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.publishing import publish
from sparse_autoencoder.runs.rows_file_format import FEATURES_PER_ROW, to_parquet
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.run_state import RunState
from sparse_autoencoder.runs.store import DirectoryStore, Store
from sparse_autoencoder.summaries.feature_summary import Summary
from sparse_autoencoder.summaries.summarise_in_background import summarise_blocks
from sparse_autoencoder.summaries.text_sums import RowTexts
from sparse_autoencoder.tokens.chunks import Chunk
from sparse_autoencoder.tokens.windows import cut_windows
from tests.support.live_runs import metadata_of

FEATURES = 32_768
ROWS = 60_000
RUN_ID = "20300101-000000_run-001"
_VOCABULARY = 50_257
_WITHOUT_SPACE = 0.2  # of the tokens: what a longer word goes on with
_NO_CHARACTER = 0.02  # of the tokens: bytes that are no whole character


def write_run(store: Store, n_features: int, n_rows: int, run_id: str = RUN_ID) -> str:
    """Write a run with so many features, over so many rows; returns its id."""
    metadata = _metadata(run_id, n_features)
    folder = RunFolder(store, run_id)
    random = np.random.default_rng(0)
    vocabulary = _vocabulary(random)
    folder.write_vocabulary([token.encode() for token in vocabulary])
    cumulative = np.cumsum(frequencies(random, n_features))
    state = RunState(Summary.empty(metadata.spec))
    for index, begin in enumerate(range(0, n_rows, ROWS_PER_CHUNK)):
        rows = make_rows(random, min(ROWS_PER_CHUNK, n_rows - begin), cumulative)
        state = state.merge(_encode_chunk(folder, metadata, index, rows, vocabulary))
    publish(folder, metadata, state, state.encoded_chunks)
    folder.write_metadata(metadata.with_counts(state, status="complete", finished_at=metadata.started_at))
    return run_id


def _metadata(run_id: str, n_features: int) -> RunMetadata:
    options = RunOptions(source="synthetic", chunk_size=ROWS_PER_CHUNK, bos="none")
    return metadata_of(run_id, options, n_features=n_features, name="synthetic")


def _vocabulary(random: np.random.Generator) -> list[str]:
    """Made-up words of 1 to 8 letters, most of which begin with a space."""
    lengths = random.integers(1, 9, _VOCABULARY)
    letters = random.integers(ord("a"), ord("z") + 1, (_VOCABULARY, 8)).astype(np.uint8)
    kind = random.random(_VOCABULARY)
    words = [bytes(row[:length]).decode() for row, length in zip(letters, lengths, strict=True)]
    return [
        "\ufffd" if share < _NO_CHARACTER else word if share < _WITHOUT_SPACE else f" {word}"
        for word, share in zip(words, kind, strict=True)
    ]


def _encode_chunk(folder: RunFolder, metadata: RunMetadata, index: int, rows: Rows, vocabulary: list[str]) -> RunState:
    """A chunk's part of the run; its rows are written."""
    n_rows = len(rows.starts) - 1
    first_row = index * ROWS_PER_CHUNK
    texts = ["".join(vocabulary[token] for token in row.tolist()) for row in np.split(rows.tokens, rows.starts[1:-1])]
    chunk = Chunk(index, np.arange(first_row, first_row + n_rows), texts, rows.tokens, rows.starts, skipped=[])
    windows = cut_windows(chunk, metadata.policy)
    summary, row_features = summarise_blocks(
        blocks_of(windows, rows),
        RowTexts.all_different(windows),
        metadata.spec,
        per_row=FEATURES_PER_ROW,
    )
    folder.store.put(folder.prompts(index), to_parquet(chunk, row_features, metadata.policy, FEATURES_PER_ROW))
    return RunState(summary, index + 1, n_rows, n_rows, len(windows))


def main() -> None:
    """Write a run, and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of run folders, as for `saescope serve --runs`")
    parser.add_argument("--features", type=at_least(1), default=FEATURES)
    parser.add_argument("--rows", type=at_least(1), default=ROWS)
    args = parser.parse_args()
    print(args.folder / write_run(DirectoryStore(args.folder), args.features, args.rows))


if __name__ == "__main__":
    main()
