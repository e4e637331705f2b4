"""What npm is asked to install for the viewer: the lock file has it all, so that `npm ci` works on every platform."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[3]


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((REPOSITORY / name).read_text(encoding="utf-8"))
    return content


PACKAGES: dict[str, dict[str, Any]] = read("services/viewer/package-lock.json")["packages"]


def is_locked(name: str, user: str) -> bool:
    """Whether npm finds a package for its user: in the user's own folder, or in one above it."""
    folders = user.split("/node_modules/")
    return any("/node_modules/".join([*folders[:depth], name]) in PACKAGES for depth in range(len(folders), 0, -1)) or (
        f"node_modules/{name}" in PACKAGES
    )


def test_every_platform_s_builds_are_locked() -> None:
    missing = [
        (user, name)
        for user, package in PACKAGES.items()
        for name in package.get("optionalDependencies", {})
        if not is_locked(name, user)
    ]
    assert missing == []


def test_nothing_is_locked_that_only_some_versions_of_npm_write() -> None:
    assert [name for name, package in PACKAGES.items() if "libc" in package or "resolved" in package] == []


def test_npm_in_the_original_viewer_s_place_is_npm_in_the_viewer_s() -> None:
    assert read("sae-viewer/package.json")["scripts"] == {
        "postinstall": "npm --prefix ../services/viewer ci",
        "start": "npm --prefix ../services/viewer start",
    }
    assert read("services/viewer/package.json")["scripts"]["start"].startswith("parcel serve ")
