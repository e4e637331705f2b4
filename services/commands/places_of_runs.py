"""Where runs are, for `saescope runs`: a folder of this machine, or the services behind an API."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from services.client.api_client import ApiClient
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.runs.find_run import find_run
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.run_lock import computing, is_computed_now
from sparse_autoencoder.runs.store import DirectoryStore

Entry = dict[str, Any]


class Place(Protocol):
    """Where runs are. Entries are those of the API, with a `name` if the run has one."""

    name: str

    def all(self) -> list[Entry]:
        """All runs, newest first."""

    def one(self, named: str) -> Entry:
        """The run that is meant by an id, its beginning, or `latest`; SaescopeError if there is none."""

    def check_removable(self, entry: Entry) -> None:
        """SaescopeError if the run can't be removed now."""

    def remove(self, entry: Entry) -> None:
        """Remove a run with all its files; SaescopeError if that isn't possible."""


class FolderOfRuns:
    """The runs of a folder. Their entries also have `folder` and `size_bytes`."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir() and folder.exists():
            raise SaescopeError(f"{folder} is a file: give the folder of the runs with --runs")
        if not folder.is_dir():
            raise SaescopeError(f"there is no folder {folder}: make runs with `saescope run`, or say --runs FOLDER")
        self.name = str(folder)
        self._store = DirectoryStore(folder)

    def all(self) -> list[Entry]:
        """See Place.all; a folder that is no run, or can't be read as one, is left out."""
        from services.api.runs.run_entries import RunEntries

        entries = RunEntries(self._store, RunLibrary(self._store), None).all()
        return [self._with_facts(dict(entry)) for entry in entries]

    def one(self, named: str) -> Entry:
        """See Place.one; the path of a run's folder is taken, too."""
        path = Path(named)
        if path.name != named and path.resolve().parent == self._store.root:
            named = path.name
        entries = {str(entry["id"]): entry for entry in self.all()}
        return entries[find_run(named, list(entries), self.name)]

    def check_removable(self, entry: Entry) -> None:
        """See Place.check_removable."""
        run_id = str(entry["id"])
        folder = RunFolder(self._store, run_id)
        if is_computed_now(self._store, run_id):
            raise SaescopeError(f"run {run_id} is being computed: stop it first, with Ctrl-C where it runs")
        if (self._store.root / folder.plan).exists():
            raise SaescopeError(f"run {run_id} is computed by services: remove it there, with --url")

    def remove(self, entry: Entry) -> None:
        """See Place.remove. Links in the run's folder are removed, and what they lead to stays."""
        run_id = str(entry["id"])
        folder = self._store.root / run_id
        hidden = folder.with_name(f".removed-{run_id}-{uuid4().hex}")  # so that a run is never there in parts
        try:
            with computing(self._store, run_id):
                if folder.is_symlink():
                    raise SaescopeError(f"{folder} is a link, and what it leads to is left alone")
                folder.rename(hidden)
                shutil.rmtree(hidden)
            (self._store.root / f"{run_id}.failures.log").unlink(missing_ok=True)
        except OSError as error:
            raise SaescopeError(f"run {run_id} can't be removed: {error}") from error

    def _with_facts(self, entry: Entry) -> Entry:
        run_id = str(entry["id"])
        if entry["status"] == "running" and not self._is_going(run_id):
            entry["status"] = "interrupted"  # its process was killed, and could not say so
        folder = self._store.root / run_id
        return entry | {"folder": str(folder), "size_bytes": _size_of(folder)}

    def _is_going(self, run_id: str) -> bool:
        by_services = (self._store.root / RunFolder(self._store, run_id).plan).exists()
        return by_services or is_computed_now(self._store, run_id)


def _size_of(folder: Path) -> int:
    """Bytes of the files below a folder; what links lead to doesn't count, and what vanishes meanwhile neither."""
    total = 0
    for parent, _folders, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118 (thousands of files)
            except OSError:
                continue
    return total


class RunsOfServices:
    """The runs of the services behind an API."""

    def __init__(self, url: str, token: str | None) -> None:
        self._api = ApiClient(url, token)
        self.name = url

    def all(self) -> list[Entry]:
        """See Place.all."""
        return self._api.runs()

    def one(self, named: str) -> Entry:
        """See Place.one."""
        entries = {str(entry["id"]): entry for entry in self.all()}
        return entries[find_run(named, list(entries), self.name)]

    def check_removable(self, entry: Entry) -> None:
        """See Place.check_removable."""
        if entry["can"]["cancel"]:
            raise SaescopeError(
                f"run {entry['id']} is being computed: cancel it first, `saescope submit --cancel {entry['id']}`"
            )

    def remove(self, entry: Entry) -> None:
        """See Place.remove."""
        self._api.delete(str(entry["id"]))
