"""How much JavaScript the built viewer makes a browser load. Knows its page and its files, no browser."""

from __future__ import annotations

import gzip
from pathlib import Path

MOST_KB = 180


def javascript_kb(viewer: Path) -> float:
    """Kilobytes (of 1,000) of all scripts of the viewer in that folder, each gzipped."""
    return sum(len(gzip.compress(script.read_bytes())) for script in scripts_of(viewer)) / 1000


def scripts_of(viewer: Path) -> set[Path]:
    """The scripts that the page in that folder names and those that these name; an older build may have left others.

    FileNotFoundError if the folder has no page.
    """
    found: set[Path] = set()
    unread = [viewer / "index.html"]
    while unread:
        text = unread.pop().read_text(encoding="utf-8")
        named = {script for script in viewer.glob("*.js") if script not in found and script.name in text}
        found |= named
        unread += named
    return found
