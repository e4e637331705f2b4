"""Reading a published run: the ranking of its features by any metric, and one feature at a time.

One feature costs one row group of one Parquet file; the statistics of all features are read once and kept. This file
reads the store only, and knows nothing of HTTP.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sparse_autoencoder.arrays import Ints
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.publishing import FEATURES_PER_FILE, FEATURES_PER_ROW_GROUP, rank_features
from sparse_autoencoder.runs import RunFolder, RunMetadata, run_ids
from sparse_autoencoder.store import NotFoundError, Store, StoreFile

PUBLISHED = ("complete", "completed_with_errors")
_OPEN_RUNS = 8


@dataclass(frozen=True)
class Statistics:
    """All features' numbers, [features] each."""

    count: Ints
    sums: tuple[NDArray[np.float64], ...]  # of a, a^2, a^3, a^4
    metrics: dict[str, NDArray[np.float64]]


class PublishedRun:
    """A finished run's features; every call raises SaescopeError if a file that it needs is missing or damaged."""

    def __init__(self, folder: RunFolder, metadata: RunMetadata) -> None:
        self._folder = folder
        self._files: dict[int, pq.ParquetFile] = {}
        self._reading = threading.Lock()  # two threads that read one ParquetFile at once crash the process
        self.metadata = metadata

    @property
    def metric_descriptions(self) -> dict[str, str]:
        """What each metric of this run says, by its name, in the order of FEATURE_METRICS when it was made."""
        return {metric["name"]: metric["description"] for metric in self.metadata.metrics}

    @cached_property
    def statistics(self) -> Statistics:
        """The statistics of all features."""
        names = list(self.metric_descriptions)
        sums = ["sum_activation", "sum_activation_2", "sum_activation_3", "sum_activation_4"]
        columns = ["num_active_tokens", *sums, *names]
        files = range(-(-self.metadata.num_features // FEATURES_PER_FILE))
        parts = [self._columns(number, columns) for number in files]
        arrays = {name: np.concatenate([part[name] for part in parts]) for name in columns}
        return Statistics(
            arrays["num_active_tokens"], tuple(arrays[name] for name in sums), {name: arrays[name] for name in names}
        )

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

    def feature(self, feature_id: int) -> dict[str, Any]:
        """A feature's histogram, top and random examples, as in its Parquet file; KeyError if there is no such one."""
        if not 0 <= feature_id < self.metadata.num_features:
            raise KeyError(feature_id)
        file, place = divmod(feature_id, FEATURES_PER_FILE)
        group, index = divmod(place, FEATURES_PER_ROW_GROUP)
        with self._reading, self._sound(file):
            table = self._file(file).read_row_group(group, columns=["histogram", "top", "random"])
            record: dict[str, Any] = table.slice(index, 1).to_pylist()[0]
        return record

    def _columns(self, file: int, names: list[str]) -> dict[str, NDArray[Any]]:
        with self._reading, self._sound(file):
            table = self._file(file).read(columns=names)
            return {name: table[name].to_numpy() for name in names}

    @contextmanager
    def _sound(self, file: int) -> Iterator[None]:
        """Say which file it is that can't be read."""
        try:
            yield
        except NotFoundError as error:
            raise self._unreadable(file, "is missing") from error
        except (pa.ArrowException, OSError, KeyError, IndexError) as error:  # what a cut or changed file gives
            raise self._unreadable(file, "is damaged") from error

    def _unreadable(self, file: int, problem: str) -> SaescopeError:
        name = self._folder.features(file)
        return SaescopeError(f"run {self.metadata.run_id} can't be shown, its file {name} {problem}: run it again")

    def _file(self, number: int) -> pq.ParquetFile:
        if number not in self._files:
            self._files[number] = pq.ParquetFile(StoreFile(self._folder.store, self._folder.features(number)))
        return self._files[number]


Entry = TypeVar("Entry")


class RunLibrary:
    """The runs of a store; those that were looked at last stay open."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: OrderedDict[str, PublishedRun] = OrderedDict()
        self._lock = threading.Lock()  # requests are answered in threads

    def all(self) -> list[RunMetadata]:
        """The metadata of every run that can be read, newest first."""
        found = []
        for run_id in run_ids(self._store):
            try:
                found.append(RunFolder(self._store, run_id).read_metadata())
            except SaescopeError:  # a folder that isn't ours, or was deleted meanwhile, hides no other run
                continue
        return found

    def newest(self) -> PublishedRun:
        """The newest finished run; NotFoundError if there is none."""
        for run_id in run_ids(self._store):
            try:
                return self.open(run_id)
            except SaescopeError:
                continue
        raise NotFoundError("there is no finished run yet: start one with `saescope run`")

    def open(self, run_id: str) -> PublishedRun:
        """A finished run; NotFoundError if there is none of this name or it isn't finished."""
        with self._lock:
            return _remembered(self._open, run_id, lambda: self._read(run_id), _OPEN_RUNS)

    def _read(self, run_id: str) -> PublishedRun:
        folder = RunFolder(self._store, run_id)
        metadata = folder.read_metadata()
        if metadata.status not in PUBLISHED:
            raise NotFoundError(f"run {run_id} has nothing to show: it is {metadata.status}")
        return PublishedRun(folder, metadata)


def _remembered(memory: OrderedDict[str, Entry], key: str, make: Callable[[], Entry], limit: int) -> Entry:
    if key not in memory:
        memory[key] = make()
    memory.move_to_end(key)
    while len(memory) > limit:
        memory.popitem(last=False)
    return memory[key]
