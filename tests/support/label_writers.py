"""`python -m tests.support.label_writers`: a process that writes labels as fast as it can, for tests of several."""

from __future__ import annotations

import sys
from pathlib import Path

from sparse_autoencoder.runs.label_entries import Change
from sparse_autoencoder.runs.label_log import LabelLog
from sparse_autoencoder.runs.store import DirectoryStore


def main() -> None:
    """Folder, SHA-256, name, number of labels: label features 0, 1, … of the even or odd ones, and star them all."""
    root, sha256, name, times = sys.argv[1:]
    log = LabelLog(DirectoryStore(Path(root)), sha256)
    for step in range(int(times)):
        log.write([Change(2 * step + len(name) % 2, {"label": f"{name} {step}"})])
        log.write([Change(10_000, {"label" if name == "one" else "note": f"{name} {step}"})])


if __name__ == "__main__":
    main()
