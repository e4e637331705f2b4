"""An unfinished run: what its published files would show if the run ended with its last saved state.

Statistics, histograms and the choice of examples come from the state. The examples' tokens come from the prompts files
of the merged chunks, of which only the needed row groups are read.
"""

from functools import cached_property
from typing import Any

import numpy as np

from sparse_autoencoder.errors import DamagedError, SaescopeError
from sparse_autoencoder.reading.chunk_token_tables import ChunkTokenTables
from sparse_autoencoder.reading.damaged_files import unreadable
from sparse_autoencoder.reading.run_view import RunTexts, RunView
from sparse_autoencoder.runs.features_file_format import BAND_LIST
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.overview_file import Overview, overview_of
from sparse_autoencoder.runs.run_state import RunState
from sparse_autoencoder.runs.saved_states import read_state_at
from sparse_autoencoder.runs.store import NotFoundError
from sparse_autoencoder.runs.token_matches import TokenCounts
from sparse_autoencoder.summaries.example_arrays import Examples
from sparse_autoencoder.summaries.feature_metrics import FEATURE_METRICS
from sparse_autoencoder.summaries.feature_summary import HISTOGRAM_BIN_WIDTH
from sparse_autoencoder.summaries.position_counts import PositionCounts
from sparse_autoencoder.summaries.strength_bands import BANDS, edges
from sparse_autoencoder.summaries.text_sums import NamedTextSums
from sparse_autoencoder.tokens.windows import Windows
from sparse_autoencoder.utils.numpy_array_ops import Mask

Record = dict[str, Any]


class LiveRun(RunView):
    """The features of an unfinished run at one of its states."""

    live = True

    def __init__(self, folder: RunFolder, metadata: RunMetadata, state: RunState, texts: RunTexts) -> None:
        metrics = [{"name": metric.name, "description": metric.description} for metric in FEATURE_METRICS]
        super().__init__(folder, metadata.with_counts(state, metrics=metrics), texts)
        self.state = state

    @cached_property
    def overview(self) -> Overview:
        """See RunView.overview."""
        return overview_of(self.state.summary)

    @property
    def text_sums(self) -> NamedTextSums:
        """See RunView.text_sums."""
        return self.state.text_sums

    @property
    def positions(self) -> PositionCounts | None:
        """See RunView.positions."""
        return self.state.summary.positions

    @cached_property
    def _token_tables(self) -> ChunkTokenTables | None:
        tables = ChunkTokenTables(self._folder, self.metadata.num_features, self._chunks())
        return tables if tables.exist() else None

    def _token_counts(self, wanted: Mask) -> TokenCounts | None:
        tables = self._token_tables
        return None if tables is None else tables.counts(wanted)

    def _tokens_of(self, feature_id: int) -> Record | None:
        tables = self._token_tables
        return None if tables is None else tables.of_feature(feature_id)

    def _chunks(self) -> list[int]:
        return self.state.encoded_chunks

    def _feature(self, feature_id: int) -> Record:
        summary = self.state.summary
        top, random = _examples_of(summary.top, feature_id), _examples_of(summary.random, feature_id)
        of_bands = _examples_of(summary.bands, feature_id * BANDS, BANDS)
        rows = np.unique(np.concatenate([top.row_id, random.row_id, of_bands.row_id]))
        windows = self.windows(rows)
        bands = self.overview.histograms.bands(feature_id, feature_id + 1)
        above, up_to = edges(bands.number, HISTOGRAM_BIN_WIDTH)
        return {
            "histogram": [
                {"bin": number, "count": count} for number, count in self.overview.histograms.of(feature_id).items()
            ],
            "top": self._records(top, windows),
            "random": self._records(random, windows),
            BAND_LIST: [
                {
                    "above": float(above[b]),
                    "up_to": float(up_to[b]),
                    "count": int(bands.count[b]),
                    "examples": self._records(_examples_of(of_bands, feature_id * BANDS + number), windows),
                }
                for b, number in enumerate(bands.number.tolist())
            ],
        }

    def _records(self, examples: Examples, windows: Windows) -> list[Record]:
        """The examples in the form of features/*.parquet (EXAMPLE in runs/features_file_format.py)."""
        keys = zip(windows.row_ids.tolist(), windows.numbers.tolist(), windows.token_hashes.tolist(), strict=True)
        place = {key: index for index, key in enumerate(keys)}
        wanted = zip(examples.row_id.tolist(), examples.window.tolist(), examples.token_hash.tolist(), strict=True)
        return [self._record(examples, e, windows, place.get(key)) for e, key in enumerate(wanted)]

    def _record(self, examples: Examples, example: int, windows: Windows, window: int | None) -> Record:
        row_id = int(examples.row_id[example])
        if window is None:
            raise SaescopeError(
                f"run {self.metadata.run_id} can't be shown, row {row_id} in its prompts files is not the row that was "
                "encoded: run it again"
            )
        ids = windows.tokens[windows.starts[window] : windows.starts[window + 1]]
        activations = np.zeros(len(ids), np.float32)
        own = slice(examples.act_starts[example], examples.act_starts[example + 1])
        activations[examples.act_position[own]] = examples.act_value[own]
        return {
            "activation": float(examples.value[example]),
            "row_id": row_id,
            "prompt_index": None,
            "window_offset": int(self.metadata.policy.window_offsets(examples.window[example])),
            "position": int(examples.position[example]),
            "text_count": None,
            "token_ids": ids.tolist(),
            "tokens": self.vocabulary.joined(ids.tolist()),
            "activations": activations.tolist(),
        }


def load_live(folder: RunFolder, metadata: RunMetadata, next_chunk: int, texts: RunTexts | None = None) -> LiveRun:
    """The run at the state with this next chunk; `texts` are those of an earlier view of the run, to be used again.

    Raises NotFoundError if there is no such state or nothing to show in it, DamagedError if it is damaged.
    """
    try:
        state = read_state_at(folder, next_chunk)
    except DamagedError as error:
        raise type(error)(f"run {folder.run_id} can't be shown: {error}") from error
    if not state.summary.num_tokens:
        raise NotFoundError(f"run {folder.run_id} has nothing to show yet")
    if state.summary.spec != metadata.spec:
        raise unreadable(folder, folder.state(next_chunk), "belongs to a run with other settings")
    return LiveRun(folder, metadata, state, texts or RunTexts.of(folder, metadata))


def _examples_of(examples: Examples, first: int, how_many: int = 1) -> Examples:
    """The examples whose `feature` is `first`, or one of the next ones."""
    # with another type numpy would copy the whole array
    bounds = np.array([first, first + how_many], examples.feature.dtype)
    begin, end = np.searchsorted(examples.feature, bounds)
    return examples.take(np.arange(begin, end))
