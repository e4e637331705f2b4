"""Reading runs: a published run's features by any metric or one at a time, and which runs a store has.

One feature costs one row group of one Parquet file; the overview of all features is read once and kept. This file
reads the store only, and knows nothing of HTTP.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from cachetools import LRUCache

from sparse_autoencoder.errors import DamagedError, SaescopeError
from sparse_autoencoder.reading.live_run import LiveRun, RunTexts, load_live
from sparse_autoencoder.reading.published_run import PublishedRun
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.runs.folder import RunFolder, run_ids
from sparse_autoencoder.runs.metadata import PUBLISHED, RunMetadata
from sparse_autoencoder.runs.store import NotFoundError, Store

_OPEN_RUNS = 8
_LIVE_RUNS = 2  # each may take 100 MB
_LOOK_EVERY_S = 1.0  # whether an open run has gone on, or is gone
_LIST_EVERY_S = 60.0  # whether a finished run that is only listed is gone
_ATTEMPTS = 3


@dataclass(frozen=True)
class _Seen:
    """A finished run's metadata, and when it was read."""

    metadata: RunMetadata
    at: float


@dataclass(frozen=True)
class _Open:
    """An unfinished run, and when it was last looked at for a later state."""

    run: LiveRun
    plan: RunMetadata  # as it was read, without the state's counts
    at: float
    damaged: frozenset[int]  # further states, in place of which this one is shown


class RunLibrary:
    """The runs of a store, for several threads; those that were looked at last stay open.

    Finished runs don't change, so they are read once, and only now and then looked at to see if they are still there.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._loading = threading.Lock()  # one live run is loaded at a time; finished ones don't wait for it
        self._lock = threading.Lock()  # of what follows; nobody waits for the store with it
        self._finished: dict[str, _Seen] = {}
        self._published: LRUCache[str, PublishedRun] = LRUCache(_OPEN_RUNS)
        self._live: LRUCache[str, _Open] = LRUCache(_LIVE_RUNS)

    def all(self) -> list[RunMetadata]:
        """The metadata of every run that can be read, newest first."""
        found = []
        for run_id in self._ids():
            with suppress(SaescopeError):  # a folder that isn't ours, or was deleted meanwhile, hides no other run
                found.append(self._metadata(run_id, _LIST_EVERY_S))
        return found

    def newest(self) -> RunView:
        """The newest finished run, or else the newest that has something to show; NotFoundError if there is none."""
        troubles: list[SaescopeError] = []
        for run_id in self._finished_first():
            try:
                return self.open(run_id)
            except NotFoundError:
                continue
            except SaescopeError as error:  # hides no other run
                troubles.append(error)
        raise troubles[0] if troubles else NotFoundError("there is no finished run yet: start one with `saescope run`")

    def open(self, run_id: str) -> RunView:
        """A run: its published files if it is finished, or else what is merged so far.

        NotFoundError if there is no such run, or nothing to show of it yet.
        """
        folder = RunFolder(self._store, run_id)
        for _ in range(_ATTEMPTS):
            live = self._open_lately(run_id)
            if live is not None:
                return live
            metadata = self._metadata(run_id, _LOOK_EVERY_S)
            if metadata.status in PUBLISHED:
                return self._open_published(folder, metadata)
            with suppress(NotFoundError):  # a later state, or the published files, may have replaced it meanwhile
                return self._open_live(folder, metadata)
        raise NotFoundError(f"run {run_id} has nothing to show yet: it is {metadata.status}")

    def asked(self, run_id: str | None) -> RunView:
        """The run of this name, as `open`; without a name the newest."""
        return self.open(run_id) if run_id else self.newest()

    def forget(self, run_id: str) -> None:
        """Remember nothing of a run, because it was deleted."""
        with self._lock:
            self._finished.pop(run_id, None)
            self._published.pop(run_id, None)
            self._live.pop(run_id, None)

    def has_finished(self, run_id: str) -> None:
        """Show a run from its published files from now on, not as it was a moment ago, because it is known to be."""
        with self._lock:
            self._live.pop(run_id, None)

    def _ids(self) -> list[str]:
        """The names of what can be runs, newest first; finished runs that vanished are forgotten."""
        ids = run_ids(self._store)
        with self._lock:
            vanished = self._finished.keys() - ids
        for run_id in vanished:
            self.forget(run_id)
        return ids

    def _finished_first(self) -> Iterator[str]:
        """The names of what can be runs, newest first, the finished ones before the others."""
        others = []
        for run_id in self._ids():
            try:
                finished = self._metadata(run_id, _LIST_EVERY_S).status in PUBLISHED
            except SaescopeError:  # whoever opens it is told
                finished = False
            if finished:
                yield run_id
            else:
                others.append(run_id)
        yield from others

    def _metadata(self, run_id: str, max_age_s: float) -> RunMetadata:
        """A run's metadata; a finished run's may be remembered for so long."""
        with self._lock:
            seen = self._finished.get(run_id)
        now = self._clock()
        if seen is not None and now - seen.at < max_age_s:
            return seen.metadata
        try:
            metadata = RunFolder(self._store, run_id).read_metadata()
        except NotFoundError:
            self.forget(run_id)
            raise
        with self._lock:
            if metadata.status in PUBLISHED:
                self._finished[run_id] = _Seen(metadata, now)
            else:
                self._finished.pop(run_id, None)
        return metadata

    def _open_published(self, folder: RunFolder, metadata: RunMetadata) -> PublishedRun:
        with self._lock:
            self._live.pop(folder.run_id, None)
            run = self._published.get(folder.run_id)
            if run is None or run.metadata != metadata:
                run = self._published[folder.run_id] = PublishedRun(folder, metadata)
            return run

    def _open_lately(self, run_id: str) -> LiveRun | None:
        """The live run, if it was looked at a moment ago."""
        with self._lock:
            kept = self._live.get(run_id)
        return kept.run if kept is not None and self._clock() - kept.at < _LOOK_EVERY_S else None

    def _open_live(self, folder: RunFolder, plan: RunMetadata) -> LiveRun:
        """The run as of its newest sound state; NotFoundError if there is none, or no longer, or nothing in it."""
        with self._loading:
            run = self._open_lately(folder.run_id)  # somebody else has loaded it while this waited
            if run is not None:
                return run
            now = self._clock()
            with self._lock:
                kept = self._live.get(folder.run_id)
                self._live.pop(folder.run_id, None)  # a state and the next one aren't both in memory
            damaged = kept.damaged if kept is not None and kept.plan == plan else frozenset()
            sound = [number for number in folder.numbers("state") if number not in damaged]
            texts = None if kept is None else kept.run.texts
            if kept is not None and sound and kept.run.state.next_chunk == sound[-1]:
                run = kept.run if kept.plan == plan else LiveRun(folder, plan, kept.run.state, kept.run.texts)
            else:
                kept = None
                run = _load_furthest(folder, plan, sound, texts)
                damaged |= {number for number in sound if number > run.state.next_chunk}
            with self._lock:
                self._live[folder.run_id] = _Open(run, plan, now, damaged)
            return run


def _load_furthest(folder: RunFolder, plan: RunMetadata, states: list[int], texts: RunTexts | None) -> LiveRun:
    """The run as of the last of these states that is sound; NotFoundError if there is none of them."""
    troubles: list[SaescopeError] = []
    for next_chunk in reversed(states):
        try:
            return load_live(folder, plan, next_chunk, texts)
        except DamagedError as error:
            troubles.append(error)
    raise troubles[0] if troubles else NotFoundError(f"run {folder.run_id} has no state")
