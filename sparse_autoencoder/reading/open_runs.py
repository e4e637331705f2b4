"""The runs of a store: which there are, and opening them. Recently used runs stay open.

Opening a finished run reads its overview once. After that, showing a feature reads one row group of a Parquet file.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from cachetools import LRUCache

from sparse_autoencoder.errors import DamagedError, SaescopeError
from sparse_autoencoder.reading.live_run import LiveRun, load_live
from sparse_autoencoder.reading.published_run import PublishedRun
from sparse_autoencoder.reading.run_view import RunTexts, RunView
from sparse_autoencoder.runs.folder_layout import RunFolder, run_ids
from sparse_autoencoder.runs.metadata import PUBLISHED, RunMetadata
from sparse_autoencoder.runs.store import NotFoundError, Store

_OPEN_RUNS = 8
_LIVE_RUNS = 2  # each may take 100 MB
_LOOK_EVERY_S = 1.0  # how often to check whether an open run has a new state, or was deleted
_LIST_EVERY_S = 60.0  # how often to check whether a finished run that is only listed was deleted
_ATTEMPTS = 3


@dataclass(frozen=True)
class _Seen:
    """A finished run's metadata, and when it was read."""

    metadata: RunMetadata
    at: float


@dataclass(frozen=True)
class _Open:
    """An unfinished run, and when a later state was last looked for."""

    run: LiveRun
    plan: RunMetadata  # as read, without the state's counts
    at: float
    damaged: frozenset[int]  # damaged states beyond the one that is shown


class RunLibrary:
    """The runs of a store. Recently used ones stay open. Several threads may use it.

    Finished runs don't change, so they are read once, and only checked now and then in case they were deleted.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._loading = threading.Lock()  # only one live run is loaded at a time; finished runs don't wait for it
        self._lock = threading.Lock()  # guards the attributes below; never held while the store is read
        self._finished: dict[str, _Seen] = {}
        self._published: LRUCache[str, PublishedRun] = LRUCache(_OPEN_RUNS)
        self._live: LRUCache[str, _Open] = LRUCache(_LIVE_RUNS)

    def all(self) -> list[RunMetadata]:
        """The metadata of every run that can be read, newest first."""
        found = []
        for run_id in self._ids():
            with suppress(SaescopeError):  # skip folders that are no runs, or were deleted meanwhile
                found.append(self._metadata(run_id, _LIST_EVERY_S))
        return found

    def newest(self) -> RunView:
        """The newest finished run, else the newest run with something to show; NotFoundError if there is none."""
        troubles: list[SaescopeError] = []
        for run_id in self._finished_first():
            try:
                return self.open(run_id)
            except NotFoundError:
                continue
            except SaescopeError as error:  # it must not hide older runs
                troubles.append(error)
        raise troubles[0] if troubles else NotFoundError("there is no finished run yet: start one with `saescope run`")

    def open(self, run_id: str) -> RunView:
        """A run: from its published files if it is finished, else from its last state.

        Raises NotFoundError if there is no such run, or nothing to show yet.
        """
        folder = RunFolder(self._store, run_id)
        for _ in range(_ATTEMPTS):
            live = self._open_lately(run_id)
            if live is not None:
                return live
            metadata = self._metadata(run_id, _LOOK_EVERY_S)
            if metadata.status in PUBLISHED:
                return self._open_published(folder, metadata)
            with suppress(
                NotFoundError
            ):  # try again: a later state or the published files may have replaced this state
                return self._open_live(folder, metadata)
        raise NotFoundError(f"run {run_id} has nothing to show yet: it is {metadata.status}")

    def asked(self, run_id: str | None) -> RunView:
        """The run with this id, as `open`; without an id the newest one."""
        return self.open(run_id) if run_id else self.newest()

    def forget(self, run_id: str) -> None:
        """Forget a run that was deleted."""
        with self._lock:
            self._finished.pop(run_id, None)
            self._published.pop(run_id, None)
            self._live.pop(run_id, None)

    def has_finished(self, run_id: str) -> None:
        """Call this when a run has finished, so that it is shown from its published files at once."""
        with self._lock:
            self._live.pop(run_id, None)

    def _ids(self) -> list[str]:
        """Possible run ids, newest first; forgets finished runs that were deleted."""
        ids = run_ids(self._store)
        with self._lock:
            vanished = self._finished.keys() - ids
        for run_id in vanished:
            self.forget(run_id)
        return ids

    def _finished_first(self) -> Iterator[str]:
        """Possible run ids: the finished runs, newest first, then the others, newest first."""
        others = []
        for run_id in self._ids():
            try:
                finished = self._metadata(run_id, _LIST_EVERY_S).status in PUBLISHED
            except SaescopeError:  # opening the run will report it
                finished = False
            if finished:
                yield run_id
            else:
                others.append(run_id)
        yield from others

    def _metadata(self, run_id: str, max_age_s: float) -> RunMetadata:
        """A run's metadata; those of a finished run may be up to `max_age_s` old."""
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
        """The live run, if it was checked less than a second ago."""
        with self._lock:
            kept = self._live.get(run_id)
        return kept.run if kept is not None and self._clock() - kept.at < _LOOK_EVERY_S else None

    def _open_live(self, folder: RunFolder, plan: RunMetadata) -> LiveRun:
        """The run at its furthest sound state; NotFoundError if there is none, or nothing to show in it."""
        with self._loading:
            run = self._open_lately(folder.run_id)  # another thread loaded it while this one waited
            if run is not None:
                return run
            now = self._clock()
            with self._lock:
                kept = self._live.get(folder.run_id)
                self._live.pop(folder.run_id, None)  # so that two states are never in memory together
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
    """The run at the furthest sound one of these states; NotFoundError if there are no states."""
    troubles: list[SaescopeError] = []
    for next_chunk in reversed(states):
        try:
            return load_live(folder, plan, next_chunk, texts)
        except DamagedError as error:
            troubles.append(error)
    raise troubles[0] if troubles else NotFoundError(f"run {folder.run_id} has no state")
