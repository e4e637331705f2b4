"""What can be asked of a run that has something to show, be it finished (reading.py) or not (live.py).

This file also has the sentences about a run's files that can't be read; it opens none itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sparse_autoencoder.arrays import Ints
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.publishing import rank_features
from sparse_autoencoder.runs import RunFolder, RunMetadata
from sparse_autoencoder.store import NotFoundError

# what a cut, changed or foreign file gives
DAMAGE = (pa.ArrowException, OSError, KeyError, IndexError, ValueError, TypeError)


@dataclass(frozen=True)
class Statistics:
    """All features' numbers, [features] each."""

    count: Ints
    sums: tuple[NDArray[np.float64], ...]  # of a, a^2, a^3, a^4
    metrics: dict[str, NDArray[np.float64]]


class RunView(ABC):
    """A run's features; every call raises SaescopeError if a file that it needs is missing or damaged."""

    live: bool  # the run isn't finished: another view, opened later, may show more

    def __init__(self, folder: RunFolder, metadata: RunMetadata) -> None:
        self._folder = folder
        self.metadata = metadata

    @property
    def metric_descriptions(self) -> dict[str, str]:
        """What each metric of this run says, by its name, in the order of FEATURE_METRICS when it was made."""
        return {metric["name"]: metric["description"] for metric in self.metadata.metrics}

    @property
    @abstractmethod
    def statistics(self) -> Statistics:
        """The statistics of all features."""

    @abstractmethod
    def feature(self, feature_id: int) -> dict[str, Any]:
        """A feature's histogram, top and random examples, as in features/*.parquet; KeyError if there is no such one.

        Of a live run `text_count` and `prompt_index` are None: they are counted when the run is published.
        """

    def ranking(self, metric: str, *, descending: bool = True) -> Ints:
        """Ids of the features that fired, by a metric of this run."""
        key = (metric, descending)
        if key not in self._rankings:
            self._rankings[key] = rank_features(
                self.statistics.metrics[metric], self.statistics.count > 0, descending=descending
            )
        return self._rankings[key]

    @cached_property
    def _rankings(self) -> dict[tuple[str, bool], Ints]:
        return {}


@contextmanager
def readable(folder: RunFolder, key: str) -> Iterator[None]:
    """Say which file it is that can't be read; NotFoundError if the whole run is gone."""
    try:
        yield
    except NotFoundError as error:
        folder.read_metadata()  # raises the NotFoundError of a run that was deleted
        raise unreadable(folder, key, "is missing") from error
    except DAMAGE as error:
        raise unreadable(folder, key, "is damaged") from error


def unreadable(folder: RunFolder, key: str, problem: str) -> SaescopeError:
    """The error that a run can't be shown because of one of its files."""
    return SaescopeError(f"run {folder.run_id} can't be shown, its file {key} {problem}: run it again")
