"""What can be asked of a run that has something to show, be it finished (reading.py) or not (live.py).

This file also has the sentences about a run's files that can't be read; it opens none itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sparse_autoencoder.arrays import Ints, Mask
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.formats import NewerFormatError
from sparse_autoencoder.overview import Overview, Statistics
from sparse_autoencoder.ranking import Rankings, Selection
from sparse_autoencoder.runs import RunFolder, RunMetadata
from sparse_autoencoder.store import NotFoundError

if TYPE_CHECKING:
    from sparse_autoencoder.run_rows import RunRows
    from sparse_autoencoder.vocabulary import Vocabulary

# what a cut, changed or foreign file gives
DAMAGE = (pa.ArrowException, OSError, KeyError, IndexError, ValueError, TypeError)


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


@contextmanager
def readable(folder: RunFolder, key: str) -> Iterator[None]:
    """Say which file it is that can't be read; NotFoundError if the whole run is gone."""
    try:
        yield
    except NotFoundError as error:
        folder.read_metadata()  # raises the NotFoundError of a run that was deleted
        raise unreadable(folder, key, "is missing") from error
    except NewerFormatError as error:
        raise SaescopeError(f"run {folder.run_id} can't be shown: {error}") from error
    except DAMAGE as error:
        raise unreadable(folder, key, "is damaged") from error


def unreadable(folder: RunFolder, key: str, problem: str) -> SaescopeError:
    """The error that a run can't be shown because of one of its files."""
    return SaescopeError(f"run {folder.run_id} can't be shown, its file {key} {problem}: run it again")
