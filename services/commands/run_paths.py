"""RUN as the path of a run's own folder, wherever that is."""

from __future__ import annotations

from pathlib import Path

_METADATA = "metadata.json"


def folder_and_name(named: str, folder: Path) -> tuple[Path, str]:
    """The folder of runs and the run's name in it that are meant; `folder` unless a path names a run's own folder."""
    path = Path(named)
    if path.name != named and (path / _METADATA).is_file():
        return path.resolve().parent, path.resolve().name
    return folder, named
