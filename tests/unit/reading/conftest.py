"""A store whose reads are counted, a clock that tests set, and the runs of both."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparse_autoencoder.reading.open_runs import RunLibrary
from tests.support.live_runs import OLD, LiveWriter, start
from tests.support.watched_store import Clock, WatchedStore


@pytest.fixture
def store(tmp_path: Path) -> WatchedStore:
    return WatchedStore(tmp_path / "runs")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def library(store: WatchedStore, clock: Clock) -> RunLibrary:
    return RunLibrary(store, clock)


@pytest.fixture
def writer(store: WatchedStore) -> LiveWriter:
    """Of an unfinished run with one chunk."""
    return start(store, OLD)
