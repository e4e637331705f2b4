"""Labels kept beside the runs, by the SHA-256 of their autoencoder, so that they survive runs.

What is kept is a log: `_labels/<sha256>/log/00000001.jsonl`, `…02.jsonl`, … Each object is created where there was none
(`Store.create`), and never changed. So of several writers at once, in whatever processes and on whatever machines, one
has the next number, and the others read what it wrote before they decide again: nothing is lost, and the history stays.
Every 100 changes the sum of all until then is kept too (`upto/00000100.jsonl`), so that reading begins there.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from cachetools import LRUCache

from sparse_autoencoder.errors import DamagedError, OtherVersionError, SaescopeError
from sparse_autoencoder.runs.label_entries import Book, Change, Entry, change_of, entry_of, json_of_entry
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.store import NotFoundError, Store, get_at_most

PREFIX = "_labels/"  # no run's id begins with _
FORMAT = 1
SUM_EVERY = 100
_MOST_BYTES = 1 << 28
_MOST_ATTEMPTS = 1_000  # each means that somebody else's change was kept meanwhile
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OPEN = 8
ANY_TIME = "any"
"""As `if_updated_at`: whatever was said since."""


class LabelConflictError(SaescopeError):
    """Somebody changed the same field of this feature meanwhile; `entry` is what is said now."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(
            f"somebody changed what is said of feature {entry.feature_id} meanwhile: "
            "read it again, and change it again if that is still wanted"
        )
        self.entry = entry


class LabelLog:
    """What is said of one autoencoder's features. Several threads may use it, and other processes the same store."""

    def __init__(self, store: Store, sha256: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"{sha256[:80]!r} is no SHA-256")
        self.sha256 = sha256
        self._store = store
        self._now = now
        self._folder = f"{PREFIX}{sha256}/"
        self._lock = threading.Lock()
        self._book: Book | None = None

    def read(self) -> Book:
        """All that is said now; DamagedError if an object is damaged."""
        with self._lock:
            return self._read()

    def write(self, changes: Sequence[Change], *, if_updated_at: str | None = ANY_TIME) -> Book:
        """Keep changes, all or none; what is said then. Nothing is written if they change nothing.

        LabelConflictError if one of the fields was changed to something else after `if_updated_at`; None means that
        nothing was said when the writer looked.
        """
        return self.decide(lambda book: _checked(book, changes, if_updated_at))

    def decide(self, changes_for: Callable[[Book], Sequence[Change]]) -> Book:
        """Keep the changes that a function makes of what is said; it is called again if somebody was quicker."""
        with self._lock:  # within a process one after the other, instead of racing for the same number
            for _ in range(_MOST_ATTEMPTS):
                book = self._read()
                changes = changes_for(book)
                if not changes:
                    return book
                at = self._time_after(book.at)
                if self._store.create(self._log_key(book.number + 1), _log_bytes(changes, at)):
                    self._book = book.after(changes, at)
                    self._keep_sum(self._book)
                    return self._book
        raise SaescopeError("others change labels all the time, so this change found no place: try again")

    def _read(self) -> Book:
        book = self._book or self._furthest_sum()
        while True:
            key = self._log_key(book.number + 1)
            try:
                data = get_at_most(self._store, key, _MOST_BYTES)
            except NotFoundError:
                self._book = book
                return book
            changes, at = _changes_in(data, key) if data else ([], book.at)  # emptied by hand, as it was damaged
            book = book.after(changes, max(at, book.at))

    def _furthest_sum(self) -> Book:
        for key in reversed(self._store.list(f"{self._folder}upto/")):
            # a damaged sum, or one that is gone, costs only the time to add up again
            with suppress(NotFoundError, DamagedError):
                return _book_in(get_at_most(self._store, key, _MOST_BYTES), key)
        return Book(0, "", {})

    def _keep_sum(self, book: Book) -> None:
        """Keep the sum if it is time to; without it reading is only slower, so a failure is nobody's business."""
        if book.number % SUM_EVERY == 0:
            with suppress(SaescopeError):
                self._store.put(f"{self._folder}upto/{book.number:08d}.jsonl", _book_bytes(book))

    def _log_key(self, number: int) -> str:
        return f"{self._folder}log/{number:08d}.jsonl"

    def _time_after(self, last: str) -> str:
        """Now, or just after the last change, whose writer's clock may be ahead."""
        at = self._now().astimezone(UTC)
        if last:
            at = max(at, datetime.fromisoformat(last) + timedelta(microseconds=1))
        return at.isoformat(timespec="microseconds")


class LabelLogs:
    """The logs of a store's autoencoders; recently used ones stay in memory. Several threads may use it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._open: LRUCache[str, LabelLog] = LRUCache(_OPEN)

    def of(self, sha256: str) -> LabelLog:
        """The log of the autoencoder with this SHA-256."""
        with self._lock:
            log = self._open.get(sha256)
            if log is None:
                log = self._open[sha256] = LabelLog(self._store, sha256)
            return log

    def of_run(self, metadata: RunMetadata) -> LabelLog:
        """The log of a run's autoencoder; NotFoundError if the run doesn't say which file that is."""
        try:
            return self.of(str(metadata.autoencoder.get("sha256")))
        except ValueError:
            raise NotFoundError(
                f"run {metadata.run_id} was computed by an earlier version of saescope, which did not say which file "
                "its autoencoder is: labels are kept by that, so run it again to label its features"
            ) from None


def _checked(book: Book, changes: Sequence[Change], if_updated_at: str | None) -> list[Change]:
    """The changes that change something; LabelConflictError for one that another one came before."""
    wanted = []
    for change in changes:
        entry = book.of(change.feature_id)
        differing = entry.differs(change)
        later = [name for name in differing if entry.changed_at.get(name, "") > (if_updated_at or "")]
        if if_updated_at != ANY_TIME and later:
            raise LabelConflictError(entry)
        if differing:
            wanted.append(Change(change.feature_id, {name: change.values[name] for name in differing}, change.author))
    return wanted


def _log_bytes(changes: Iterable[Change], at: str) -> bytes:
    lines = ({"feature_id": one.feature_id, **one.values, "author": one.author} for one in changes)
    # the nonce is what tells a writer that it was the one who created the object; see Store.create
    return _lines({"labels": FORMAT, "at": at, "nonce": uuid4().hex}, lines)


def _book_bytes(book: Book) -> bytes:
    return _lines({"labels": FORMAT, "at": book.at, "number": book.number}, map(json_of_entry, book.entries.values()))


def _lines(head: dict[str, Any], rest: Iterable[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(line)}\n" for line in (head, *rest)).encode()


def _changes_in(data: bytes, key: str) -> tuple[list[Change], str]:
    """The changes in an object of the log, and when they were."""
    head, lines = _parsed(data, key)
    try:
        at = datetime.fromisoformat(head["at"]).astimezone(UTC).isoformat(timespec="microseconds")
        return [change_of(_feature_id(line), line) for line in lines], at
    except (KeyError, TypeError, ValueError, OverflowError, SaescopeError) as error:
        raise _damaged(key) from error


def _book_in(data: bytes, key: str) -> Book:
    head, lines = _parsed(data, key)
    try:
        entries = [entry_of(line) for line in lines]
        return Book(int(head["number"]), str(head["at"]), {entry.feature_id: entry for entry in entries})
    except (KeyError, TypeError, ValueError, OverflowError, SaescopeError) as error:
        raise _damaged(key) from error


def _feature_id(line: dict[str, Any]) -> int:
    feature_id = line["feature_id"]
    if not isinstance(feature_id, int) or feature_id < 0:
        raise ValueError("it is no feature")
    return feature_id


def _parsed(data: bytes, key: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """An object's first line, and the others."""
    try:
        head, *lines = [json.loads(line) for line in data.decode().splitlines() if line]
    except (ValueError, RecursionError) as error:
        raise _damaged(key) from error
    if not all(isinstance(line, dict) for line in (head, *lines)):
        raise _damaged(key)
    if isinstance(head.get("labels"), int) and head["labels"] > FORMAT:
        raise OtherVersionError(f"a later version of saescope wrote {key}: use that one to see the labels")
    return head, lines


def _damaged(key: str) -> DamagedError:
    return DamagedError(f"{key}, which holds changes of labels, is damaged: put back a copy of it, or empty the file")
