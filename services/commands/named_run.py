"""The run of a folder that a command's RUN means, opened."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from services.commands.run_paths import folder_and_name
from sparse_autoencoder.runs.resume_command import DEFAULT_OUTPUT

if TYPE_CHECKING:
    from sparse_autoencoder.reading.run_view import RunView


def add_run_and_folder(parser: argparse.ArgumentParser) -> None:
    """Add RUN, and the folder where it is."""
    parser.add_argument("run", metavar="RUN", help="its id, the beginning of it, latest, or its folder")
    parser.add_argument(
        "--runs",
        type=Path,
        default=DEFAULT_OUTPUT,
        metavar="FOLDER",
        help="folder of the run folders (default: analysis_data)",
    )


def open_named(named: str, folder: Path) -> RunView:
    """The run that is meant; SaescopeError if there is none, or nothing to show of it."""
    from services.commands.places_of_runs import FolderOfRuns
    from sparse_autoencoder.reading.open_runs import RunLibrary
    from sparse_autoencoder.runs.store import DirectoryStore

    folder, named = folder_and_name(named, folder)
    run_id = str(FolderOfRuns(folder).one(named)["id"])
    return RunLibrary(DirectoryStore(folder)).open(run_id)
