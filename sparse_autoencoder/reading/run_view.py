"""What can be asked of a run that has something to show, be it finished (run_library.py) or not (live_run.py).

This file also has the sentences about a run's files that can't be read; it opens none itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sparse_autoencoder.runs.feature_ranking import Rankings, Selection
from sparse_autoencoder.runs.folder import RunFolder
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.overview import Overview, Statistics
from sparse_autoencoder.utils.arrays import Ints, Mask

if TYPE_CHECKING:
    from sparse_autoencoder.reading.run_rows import RunRows
    from sparse_autoencoder.reading.vocabulary import Vocabulary
from sparse_autoencoder.reading.damaged_files import readable


class RunView(ABC):
    """A run's features; every call raises SaescopeError if a file that it needs is missing or damaged."""

    live: bool  # the run isn't finished: another view, opened later, may show more

    def __init__(self, folder: RunFolder, metadata: RunMetadata, vocabulary: Vocabulary) -> None:
        self._folder = folder
        self.metadata = metadata
        self.vocabulary = vocabulary

    @property
    def metric_descriptions(self) -> dict[str, str]:
        """What each metric of this run says, by its name, in the order of FEATURE_METRICS when it was made."""
        return {metric["name"]: metric["description"] for metric in self.metadata.metrics}

    @property
    @abstractmethod
    def overview(self) -> Overview:
        """What a list of all features needs of each."""

    @property
    def statistics(self) -> Statistics:
        """The statistics of all features."""
        return self.overview.statistics

    @property
    @abstractmethod
    def rows(self) -> RunRows:
        """The rows that were encoded."""

    @abstractmethod
    def feature(self, feature_id: int) -> dict[str, Any]:
        """A feature's histogram, top and random examples, as in features/*.parquet; KeyError if there is no such one.

        Of a live run `text_count` and `prompt_index` are None: they are counted when the run is published.
        """

    def ranking(self, selection: Selection) -> Ints:
        """Ids of the selected features, in order; KeyError if this run's features can't be sorted by that."""
        return self._rankings.ids(selection)

    @cached_property
    def _rankings(self) -> Rankings:
        return Rankings(self.overview, self.metadata.num_tokens, self._having_token)

    def _having_token(self, text: str) -> Mask:
        wanted = self.vocabulary.containing(text)
        with readable(self._folder, self._folder.vocabulary):  # which may lack a token
            return self.overview.tokens.any_of(wanted)
