"""The common interface to finished runs (published_run.py) and unfinished ones (live_run.py)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.questions.answer_types import FeatureEffects, FeatureGraph
from sparse_autoencoder.reading.damaged_files import readable
from sparse_autoencoder.reading.drawn_rows import drawn_rows
from sparse_autoencoder.reading.feature_graphs import FeatureGraphs
from sparse_autoencoder.reading.firing_together import FiringsFiles
from sparse_autoencoder.reading.kept_firings import KeptFirings
from sparse_autoencoder.reading.row_firings import RowFirings
from sparse_autoencoder.reading.row_group_reader import RowsFiles
from sparse_autoencoder.reading.run_rows import RunRows
from sparse_autoencoder.reading.shown_examples import read_effects
from sparse_autoencoder.reading.suggested_order import STRENGTH, suggested
from sparse_autoencoder.reading.token_strings import Vocabulary
from sparse_autoencoder.reading.weights_reader import WeightsFiles
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.overview_file import Overview, Statistics
from sparse_autoencoder.runs.rank_by_metric import CUT_SHARE, EARLY_SHARE, SUGGESTED, Rankings, Selection
from sparse_autoencoder.runs.rows_file_format import RowTokens
from sparse_autoencoder.runs.store import NotFoundError
from sparse_autoencoder.runs.token_matches import TokenCounts, TokenMatches
from sparse_autoencoder.summaries.position_counts import PositionCounts
from sparse_autoencoder.summaries.text_sums import NamedTextSums
from sparse_autoencoder.tokens.windows import Windows
from sparse_autoencoder.utils.numpy_array_ops import Ints, Mask


@dataclass(frozen=True)
class RunTexts:
    """A run's rows and token strings. They don't change, so views of later states of a run use the same ones."""

    files: RowsFiles
    vocabulary: Vocabulary

    @classmethod
    def of(cls, folder: RunFolder, metadata: RunMetadata) -> RunTexts:
        """Readers of a run's prompts files and vocabulary; nothing is read yet."""
        return cls(RowsFiles(folder, metadata.options.chunk_size), Vocabulary(folder))


class RunView(ABC):
    """A run's features and rows; all calls raise SaescopeError if a file that they need is missing or damaged."""

    live: bool  # whether the run is unfinished, so that a view opened later may show more

    def __init__(self, folder: RunFolder, metadata: RunMetadata, texts: RunTexts) -> None:
        self._folder = folder
        self.metadata = metadata
        self.texts = texts
        self.vocabulary = texts.vocabulary

    @property
    def folder(self) -> RunFolder:
        """The run's files."""
        return self._folder

    @property
    def metric_descriptions(self) -> dict[str, str]:
        """The description of each of this run's metrics, by name, in the run's order."""
        return {metric["name"]: metric["description"] for metric in self.metadata.metrics}

    @property
    @abstractmethod
    def overview(self) -> Overview:
        """Per-feature statistics for the feature list."""

    @property
    @abstractmethod
    def text_sums(self) -> NamedTextSums | None:
        """Sums over texts, for comparing runs; None for a run of a version that didn't have them."""

    @property
    @abstractmethod
    def positions(self) -> PositionCounts | None:
        """Firings by position in the window; None for a run of a version that didn't count them."""

    @property
    def statistics(self) -> Statistics:
        """The statistics of all features."""
        return self.overview.statistics

    @cached_property
    def rows(self) -> RunRows:
        """The rows that were encoded."""
        return RunRows(self._folder, self.metadata, self.texts.files, self.vocabulary, self._chunks())

    @cached_property
    def weights(self) -> WeightsFiles:
        """What follows from the weights alone: logit effects and neighbours."""
        return WeightsFiles(self._folder, self.metadata, live=self.live)

    @cached_property
    def graphs(self) -> FeatureGraphs:
        """The neuron-to-graph explanations of features that were made."""
        return FeatureGraphs(self._folder)

    def graph(self, feature_id: int) -> FeatureGraph:
        """A feature's neuron-to-graph explanation; KeyError for an unknown id.

        Raises NotFoundError if nobody has asked for one of these examples, DamagedError if the file is damaged.
        """
        kept = self.graphs.kept(feature_id, self.feature(feature_id))
        if kept is None:
            raise NotFoundError(
                f"feature {feature_id} wasn't explained by patterns yet: ask for it on its page where models can be "
                f"asked, or `saescope explain {self.metadata.run_id} --feature {feature_id} --graph`"
            )
        return kept

    def drawn_rows(self, seed: int, most_tokens: int) -> Iterator[RowTokens]:
        """The tokens of rows that the seed decides, without BOS: see drawn_rows.py."""
        return drawn_rows(self.texts.files, self._chunks(), seed, most_tokens)

    def firings(self) -> FiringsFiles:
        """What fires at each token; NotFoundError for a run that was made without."""
        self._check_keeps_firings("what fires together can't be counted")
        return self._firings

    def row_firings(self) -> RowFirings:
        """What fires at each token of single rows; NotFoundError for a run that was made without."""
        self._check_keeps_firings("no more is known of a row than its strongest features")
        return self._row_firings

    def _check_keeps_firings(self, so: str) -> None:
        if not self.metadata.options.keeps_firings:
            raise NotFoundError(
                f"run {self.metadata.run_id} did not keep what fires at each token, so {so}: run it again with "
                "--keep-firings"
            )

    @cached_property
    def _row_firings(self) -> RowFirings:
        return RowFirings(self._folder, self._kept_firings, self.texts.files, self._chunks())

    @cached_property
    def _firings(self) -> FiringsFiles:
        return FiringsFiles(self._kept_firings, self._chunks(), self.metadata.num_features)

    @cached_property
    def _kept_firings(self) -> KeptFirings:
        return KeptFirings(self._folder, self.metadata, self.texts.files)

    @abstractmethod
    def _chunks(self) -> list[int]:
        """The chunks that have a prompts file, or should have one: a missing file is reported when it is read."""

    def feature(self, feature_id: int) -> dict[str, Any]:
        """A feature's histogram, bands and examples, as in features/*.parquet; KeyError for an unknown id.

        Finished runs of versions that had no bands have none here.
        For a live run `text_count` and `prompt_index` are None: they are only known when the run is published.
        """
        if not 0 <= feature_id < self.metadata.num_features:
            raise KeyError(feature_id)
        return self._feature(feature_id)

    def record(self, feature_id: int) -> dict[str, Any]:
        """`feature`, with a sentence for whoever asks for one that there isn't: NotFoundError."""
        try:
            return self.feature(feature_id)
        except KeyError:
            raise NotFoundError(
                f"there is no feature {feature_id} in run {self.metadata.run_id}, which has the features 0 to "
                f"{self.metadata.num_features - 1}"
            ) from None

    @abstractmethod
    def _feature(self, feature_id: int) -> dict[str, Any]:
        """`feature`, for an id that exists."""

    def effects(self, feature_id: int) -> FeatureEffects:
        """What a feature's activations in its shown examples do to later predictions; KeyError for an unknown id.

        Raises NotFoundError if nobody has computed it for these examples.
        """
        return read_effects(self._folder, self.vocabulary, feature_id, self.feature(feature_id))

    def ranking(self, selection: Selection) -> Ints:
        """Ids of the selected features, in order; KeyError if there is no such sort key."""
        return self._rankings.ids(selection)

    @cached_property
    def _rankings(self) -> Rankings:
        others = {
            EARLY_SHARE: lambda: self._counted_positions.early_share(),
            CUT_SHARE: lambda: self._counted_positions.cut_share(),
            SUGGESTED: self._suggested,
        }
        return Rankings(self.overview, self.metadata.num_tokens, self._matching, others)

    @property
    def suggests(self) -> bool:
        """Whether the order SUGGESTED is known; it isn't of runs of earlier versions."""
        return self.text_sums is not None and self.positions is not None and STRENGTH in self.metric_descriptions

    def _suggested(self) -> NDArray[np.float64]:
        if self.text_sums is None or self.positions is None:
            raise KeyError(SUGGESTED)
        numbers, whole = self.token_numbers, self.text_sums.sums.whole()
        return suggested(
            self.statistics.metrics[STRENGTH],
            self.statistics.count,
            self.metadata.num_tokens,
            texts=whole.texts[0],
            num_texts=int(whole.num_texts[0]),
            cut_share=self.positions.cut_share(),
            early_share=self.positions.early_share(),
            early_share_of_tokens=self.positions.early_share_of_tokens(),
            effective_tokens=None if numbers is None else numbers["effective_tokens"],
        )

    @property
    def _counted_positions(self) -> PositionCounts:
        if self.positions is None:
            raise KeyError("positions")
        return self.positions

    def token_matches(self, text: str) -> TokenMatches:
        """The features that fire on a token whose string contains this text, ignoring case, and how often they do."""
        return self._rankings.matches(text)

    def _matching(self, text: str) -> TokenMatches:
        wanted = self.vocabulary.containing(text)
        with readable(self._folder, self._folder.vocabulary):  # a damaged vocabulary may lack tokens
            listed = self.overview.tokens.any_of(wanted)
        counts = self._token_counts(wanted)
        if counts is not None:  # the examples may be of chunks that weren't read
            listed[counts.feature] = True
        return TokenMatches(listed, counts)

    @abstractmethod
    def _token_counts(self, wanted: Mask) -> TokenCounts | None:
        """How features fire on the wanted tokens [vocabulary]; None for a run without token tables."""

    def tokens_of(self, feature_id: int) -> dict[str, Any] | None:
        """The tokens that a feature fires on, as in tokens_by_feature.parquet; None for a run without token tables.

        `chunks` says how many chunks these numbers are of, and `of` how many there are. KeyError for an unknown id.
        """
        if not 0 <= feature_id < self.metadata.num_features:
            raise KeyError(feature_id)
        return self._tokens_of(feature_id)

    @abstractmethod
    def _tokens_of(self, feature_id: int) -> dict[str, Any] | None:
        """`tokens_of`, for an id that exists."""

    def windows(self, row_ids: Ints) -> Windows:
        """All windows of some rows, whose ids ascend; SaescopeError if the prompts files lack one."""
        rows = [self._tokens_of_row(row_id) for row_id in row_ids.tolist()]
        starts = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        tokens = RowTokens(row_ids, np.concatenate([np.zeros(0, np.int32), *rows]), starts)
        return tokens.windows(self.metadata.policy)

    def _tokens_of_row(self, row_id: int) -> NDArray[np.int32]:
        """A row's tokens, without BOS."""
        place = self.texts.files.find(row_id, self._encoded)
        if place is not None:
            group = self.texts.files.tokens(place)
            row = group.find(row_id)
            if row is not None:
                return group.row(row)
        raise SaescopeError(f"the prompts files lack row {row_id}, which an example shows: run it again")

    @cached_property
    def _encoded(self) -> list[int]:
        return self._chunks()

    @property
    def token_numbers(self) -> dict[str, NDArray[Any]] | None:
        """How features' firings spread over tokens: the columns NUMBERS of tokens_by_feature.parquet, [features] each.

        None for an unfinished run, and for one without token tables.
        """
        return None
