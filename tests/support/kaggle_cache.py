"""Puts files into a kagglehub cache, as kagglehub 1.0 itself leaves them after a download."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def seed_kaggle_cache(
    cache: Path, dataset: str, version: int, files: Mapping[str, str | bytes], whole: bool = False
) -> Path:
    """Write the files of a dataset's version ("owner/name") and mark each of them complete, or the version as a whole.

    Returns the folder that holds the files. `cache` is what $KAGGLEHUB_CACHE names.
    """
    base = cache / "datasets" / dataset
    folder = base / "versions" / str(version)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        if not whole:
            _touch(base / ".complete" / str(version) / f"{name}.complete")
    if whole:
        _touch(base / f"{version}.complete")
    return folder


def _touch(marker: Path) -> None:
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
