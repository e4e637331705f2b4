"""The run that a command is about: an id, the beginning of one, `latest`, or the path of a run's folder."""

from __future__ import annotations

from pathlib import Path

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.runs.find_run import find_run
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.store import DirectoryStore


def store_of_runs(folder: Path) -> DirectoryStore:
    """The store in a folder of runs; SaescopeError if there is no such folder."""
    if not folder.is_dir() and folder.exists():
        raise SaescopeError(f"{folder} is a file: give the folder of the runs with --runs")
    if not folder.is_dir():
        raise SaescopeError(f"there is no folder {folder}: make runs with `saescope run`, or say --runs FOLDER")
    return DirectoryStore(folder)


def named_run(named: str, runs: Path) -> RunFolder:
    """The run that is meant, of a folder of runs unless it is a path; SaescopeError if there is none."""
    path = Path(named)
    if path.name != named and (path / "metadata.json").is_file():
        folder = path.resolve()
        return RunFolder(DirectoryStore(folder.parent), folder.name)
    store = store_of_runs(runs)
    known = [metadata.run_id for metadata in RunLibrary(store).all()]
    return RunFolder(store, find_run(named, known, str(runs)))
